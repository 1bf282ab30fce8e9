//! Names, headers and bitmaps.

use ostler_base::json::json;

use super::bitmaps;
use super::header;
use super::nodes::Nodes;
use super::{Image, ImageFormat, Place, backing_string, parse_backing};

/// A name is read, and written again.
#[track_caller]
fn check(name: &str, again: &str) {
    let mut image = parse_backing(name).unwrap();
    image.complete();
    assert_eq!(backing_string(&image).unwrap(), again, "{image:?}");
}

#[test]
fn names_both_ways() {
    check("/a/b:c", "/a/b:c");
    check("nbd://host/export", "nbd://host:10809/export");
    check("nbd:host:6000:exportname=blah", "nbd://host:6000/blah");
    check("gluster+tcp://host/vol/a", "gluster://host:24007/vol/a");
    check("iscsi://host/iqn.a%3Ab/1", "iscsi://host:3260/iqn.a%3Ab/1");
    check(r#"json:{"driver":"raw","file":{"driver":"file","filename":"/a"}}"#, "/a");
    check(
        r#"json:{"file.driver":"nbd","file.server.type":"inet","file.server.host":"h","file.server.port":"1"}"#,
        "nbd://h:1",
    );
    check(
        "rbd:pool/image:id=me:mon_host=a;b",
        r#"json:{"file":{"driver":"rbd","pool":"pool","image":"image","server":[{"host":"a","port":"0"},{"host":"b","port":"0"}]}}"#,
    );
    check(
        r#"json:{"driver":"raw","offset":10752,"size":4063232,"file":{"driver":"file","filename":"/a"}}"#,
        r#"json:{"file":{"driver":"raw","size":4063232,"offset":10752,"file":{"driver":"file","filename":"/a"}}}"#,
    );
}

#[test]
fn names_that_say_nothing() {
    for name in [
        "what:ever",
        "json:{",
        "json:{}",
        "json:[]",
        r#"json:{"a":1,"a.b":2}"#,
        "nosuch://host/a",
        "http://h/%zz",
    ] {
        assert!(parse_backing(name).is_err(), "{name}");
    }
}

fn qcow2(backing: &str, format: &str) -> Vec<u8> {
    let mut bytes = b"QFI\xfb\0\0\0\x03".to_vec();
    bytes.extend(512u64.to_be_bytes());
    bytes.extend(u32::try_from(backing.len()).unwrap().to_be_bytes());
    bytes.extend(16u32.to_be_bytes());
    bytes.extend((1u64 << 30).to_be_bytes());
    bytes.resize(100, 0);
    bytes.extend(104u32.to_be_bytes());
    bytes.extend(0xe279_2acau32.to_be_bytes());
    bytes.extend(u32::try_from(format.len()).unwrap().to_be_bytes());
    bytes.extend(format.as_bytes());
    bytes.resize(512, 0);
    bytes.extend(backing.as_bytes());
    bytes
}

#[test]
fn headers() {
    let bytes = qcow2("base.img", "raw");
    let header = header::read(ImageFormat::Qcow2, &bytes).unwrap();
    assert_eq!(header.backing.as_deref(), Some("base.img"));
    assert_eq!(header.backing_format.as_deref(), Some("raw"));
    assert_eq!(header.capacity, Some(1 << 30));
    assert_eq!(header::looks_like(&bytes), Some(ImageFormat::Qcow2));
    assert_eq!(header::read(ImageFormat::Raw, &bytes).unwrap(), header::Header::default());
    for cut in 0..bytes.len() {
        // Whatever is cut off: an error or less, never more.
        drop(header::read(ImageFormat::Qcow2, &bytes[..cut]));
    }
    assert!(header::read(ImageFormat::Qcow2, b"plain").is_err());
}

#[test]
fn a_bitmap_with_a_gap_is_not_whole() {
    let bitmap = json!([{"name": "a", "recording": true, "persistent": true, "granularity": 65536}]);
    let node = |name: &str, with: bool| json!({"node-name": name, "dirty-bitmaps": if with { bitmap.clone() } else { json!([]) }});
    let chain = ["1", "2", "3"];
    for (there, whole) in [
        ([true, false, false], true),
        ([true, true, true], true),
        ([true, false, true], false),
        ([false, true, true], false),
    ] {
        let list: Vec<_> = chain.iter().zip(there).map(|(name, with)| node(name, with)).collect();
        assert_eq!(bitmaps::is_whole(&chain, "a", &Nodes::read(&json!(list))), whole, "{there:?}");
    }
}

#[test]
fn a_chain_goes_on_below() {
    let mut top = Image::new(Place::File(Some("/top".to_owned())));
    top.backing = super::Backing::Image(Box::new(Image::new(Place::File(Some("/base".to_owned())))));
    let paths: Vec<_> = top.chain().filter_map(Image::local_path).collect();
    assert_eq!(paths, ["/top", "/base"]);
}

/// A run's chain of qcow2 images, with numbers from 1.
fn running(paths: &[&str]) -> Image {
    let mut images = paths.iter().rev().map(|path| Image {
        format: Some(ImageFormat::Qcow2),
        ..Image::new(Place::File(Some((*path).to_owned())))
    });
    let last = Image { backing: super::Backing::End, ..images.next().unwrap() };
    let mut chain =
        images.fold(last, |below, image| Image { backing: super::Backing::Image(Box::new(below)), ..image });
    crate::devices::disk::name_chain(&mut chain, 1, &super::Surroundings::default());
    chain
}

fn paths(image: &Image) -> Vec<&str> {
    image.chain().filter_map(Image::local_path).collect()
}

#[test]
fn what_jobs_leave() {
    use super::surgery::{committed, copied, pulled};
    let chain = running(&["/a", "/b", "/c"]);
    let done = pulled(&chain, Some("libvirt-3-format")).unwrap();
    assert_eq!((paths(&done.image), done.removed.len()), (vec!["/a", "/c"], 1));
    assert_eq!(done.removed[0].node_list(), ["libvirt-2-format", "libvirt-2-storage"]);
    let done = pulled(&chain, None).unwrap();
    assert_eq!((paths(&done.image), &done.image.backing), (vec!["/a"], &super::Backing::End));
    let done = committed(&chain, "libvirt-1-format", "libvirt-2-format").unwrap();
    assert_eq!(paths(&done.image), ["/b", "/c"]);
    assert!(committed(&chain, "libvirt-3-format", "libvirt-1-format").is_err());
    let done = copied(&chain, &running(&["/new"]), false);
    assert_eq!((paths(&done.image), done.removed.len()), (vec!["/new"], 3));
}
