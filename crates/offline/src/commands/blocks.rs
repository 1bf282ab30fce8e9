//! Images: their block nodes, names, creation, bitmaps, and nbdkit.

use ostler_base::{Error, Json, Result, json::json};
use ostler_domain::blocks::bitmaps::{self, Actions};
use ostler_domain::blocks::nbdkit::{Argument, Command, Features, Piped};
use ostler_domain::blocks::nodes::{Node, Nodes};
use ostler_domain::blocks::{
    Backing, Image, ImageType, NodeNames, Surroundings, create, format_props, nested_props, parse_backing,
    plain_name, storage_props,
};
use ostler_domain::devices::Kind;
use ostler_domain::devices::disk::{Disk, parse_image};
use ostler_domain::{Draft, ReadMode, WriteMode};
use ostler_vocab::secret_lookup::SecretLookup;
use ostler_xml::Document;

use super::network::word;
use crate::args::read;
use crate::{Args, Kept};

/// What the fake host says of images that are made, bytes.
const CAPACITY: u64 = 8_589_934_590;
const PHYSICAL: u64 = 4_294_967_296;

/// The chain of images that bitmaps are of.
const CHAIN: [&str; 5] =
    ["libvirt-1-format", "libvirt-2-format", "libvirt-3-format", "libvirt-4-format", "libvirt-5-format"];

fn with_document<T>(text: &str, run: impl FnOnce(&ostler_xml::Element<'_>) -> Result<T>) -> Result<T> {
    let document = Document::parse(text, "disk")?;
    run(&document.root())
}

/// A document on lines of its own.
fn pretty(value: &Json) -> String {
    format!("{value:#}\n")
}

/// Moves every line to the right.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// `blockdev-props [--source-only] --caps-xml F DISK.xml`
pub(super) fn props(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["source-only", "caps-xml"])?;
    let source_only = args.option("source-only").is_some();
    with_document(&args.read_input(0)?, |el| {
        let mut disk = Disk::parse(el)?;
        disk.parse_run(el)?;
        disk.image.complete();
        let mut around = disk.surroundings();
        let mut out = String::new();
        for image in disk.image.chain() {
            out.push_str(&if source_only { target(image, around.floppy)? } else { layers(image, &around)? });
            around = around.below();
        }
        Ok(out)
    })
}

/// The format node and the storage node of an image, whether it needs both or not.
fn layers(image: &Image, around: &Surroundings) -> Result<String> {
    let names = secret_names(image);
    let below = image.below().map(NodeNames::of);
    let below = below.as_ref().map(|names| names.format.as_str());
    let format = format_props(image, &names, around, &names.storage, below, None)?;
    let storage = storage_props(image, &names, around, true)?;
    Ok(pretty(&format.to_json()) + &pretty(&storage.to_json()))
}

/// Names of an image, with those that secrets have in the data.
fn secret_names(image: &Image) -> NodeNames {
    let mut names = NodeNames::of(image);
    names.auth = image.auth.as_ref().map(|_| format!("{}-secalias", names.storage));
    names.keys = image.encryption.iter().map(|_| format!("{}-encalias", names.format)).collect();
    names
}

fn target(image: &Image, floppy: bool) -> Result<String> {
    let props = pretty(&image.target_props(floppy)?.to_json());
    let name = match plain_name(image) {
        Some(name) => name,
        None => format!("json:{{\"file\":{}}}", pretty(&nested_props(image)?.to_json())),
    };
    let inner = format!("source only properties:\n{props}backing store string:\n{name}");
    Ok(format!("(\n{})\n", indented(&inner)))
}

/// `blockdev-json2json FILE`
pub(super) fn json2json(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&[])?;
    let mut image = parse_backing(args.read_input(0)?.trim())?;
    image.complete();
    Ok(pretty(&image.target_props(false)?.to_json()))
}

/// `image-create --caps-xml F [--backing B.xml] IMAGE.xml`
pub(super) fn image_create(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["caps-xml", "backing"])?;
    let image = |text: &str| -> Result<Image> {
        let mut image = with_document(text, |el| {
            let mut image = parse_image(el)?;
            image.read_run(el)?;
            Ok(image)
        })?;
        image.complete();
        Ok(image)
    };
    let made = image(&args.read_input(0)?)?;
    let backing = args.option("backing").map(|path| image(&read(path)?)).transpose()?;
    let storage = create::storage_options(&made, PHYSICAL)?;
    // Of storage that cannot be made nothing else can.
    let format = match &storage {
        Some(_) => create::format_options(&made, backing.as_ref(), &secret_names(&made), CAPACITY)?,
        None => None,
    };
    let shown = |options: Option<ostler_plan::Props>| match options {
        Some(props) => pretty(&props.to_json()),
        None => "<null>\n".to_owned(),
    };
    Ok(format!("protocol:\n{}\nformat:\n{}", shown(storage), shown(format)))
}

/// `storage-source --type T SOURCE.xml`
pub(super) fn storage_source(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["type"])?;
    let kind: ImageType = word(args, "type")?;
    with_document(&args.read_input(0)?, |el| {
        let mut image = Image::of_source(el, kind)?;
        image.complete();
        let nested = json!({ "file": image.target_props(false)?.to_json() });
        let mut again = parse_backing(&format!("json:{nested}"))?;
        again.backing = Backing::End;
        Ok(again.to_source(&WriteMode::default()).to_xml())
    })
}

fn nodes(args: &Args) -> Result<Nodes> {
    let text = args.read_input(0)?;
    let value: Json =
        serde_json::from_str(&text).map_err(|error| Error::invalid_arg(format!("not JSON: {error}")))?;
    Ok(Nodes::read(&value))
}

fn actions(list: Actions) -> String {
    pretty(&Json::from(list))
}

/// `bitmap-detect NODES.json`
pub(super) fn bitmap_detect(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&[])?;
    let nodes = nodes(args)?;
    let mut out = String::new();
    for number in 0..30 {
        let name = format!("libvirt-{number}-format");
        if let Some(node) = nodes.get(&name) {
            out.push_str(&format!("{name}:\n{}", described(node)));
        }
    }
    Ok(out)
}

fn described(node: &Node) -> String {
    let mut out = String::new();
    if node.old_qcow2 {
        out.push_str(" qcow2 v2\n");
    }
    if !node.snapshots.is_empty() {
        out.push_str(" internal snapshots:");
        for snapshot in &node.snapshots {
            out.push_str(&format!(" '{}'{}", snapshot.name, if snapshot.with_memory { "(*)" } else { "" }));
        }
        out.push('\n');
    }
    for bitmap in &node.bitmaps {
        out.push_str(&format!(
            " {:>8}: record:{} busy:{} persist:{} inconsist:{} gran:{} dirty:{}\n",
            bitmap.name,
            u8::from(bitmap.recording),
            u8::from(bitmap.busy),
            u8::from(bitmap.persistent),
            u8::from(bitmap.inconsistent),
            bitmap.granularity,
            bitmap.dirty
        ));
    }
    out
}

/// `bitmap-backup --incremental B NODES.json`
pub(super) fn bitmap_backup(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["incremental"])?;
    let since = args.required("incremental")?;
    Ok(actions(bitmaps::backup(&CHAIN, since, "target_node", "target-bitmap-name", &nodes(args)?)))
}

/// `bitmap-checkpoint-delete --bitmap B NODES.json`
pub(super) fn bitmap_checkpoint_delete(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["bitmap"])?;
    let nodes = nodes(args)?;
    let (list, reopened) = bitmaps::checkpoint_delete(&CHAIN, args.required("bitmap")?, &nodes);
    let mut out = actions(list);
    if !reopened.is_empty() {
        out.push_str("reopen nodes:\n");
        reopened.iter().for_each(|node| out.push_str(&format!("{node}\n")));
    }
    Ok(out)
}

/// `bitmap-blockcopy [--shallow] NODES.json`
pub(super) fn bitmap_blockcopy(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["shallow"])?;
    let shallow = args.option("shallow").is_some();
    Ok(actions(bitmaps::block_copy(&CHAIN, "mirror-format-node", shallow, &nodes(args)?)))
}

/// `bitmap-commit --top N --base N NODES.json`
pub(super) fn bitmap_commit(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["top", "base"])?;
    let place = |name: &'static str| -> Result<usize> {
        let number = args.required(name)?.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        number.ok_or_else(|| Error::invalid_arg(format!("--{name} is no place in the chain")))
    };
    let list = bitmaps::commit(&CHAIN, place("top")?, place("base")?, &nodes(args)?);
    // The word is spelled as the data spell it.
    let head = "merge bitmpas:\n";
    Ok(if list.is_empty() { head.to_owned() } else { format!("{head}{}", actions(list)) })
}

/// `bitmap-validate --bitmap B NODES.json`
pub(super) fn bitmap_validate(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["bitmap"])?;
    let whole = bitmaps::is_whole(&CHAIN, args.required("bitmap")?, &nodes(args)?);
    Ok(format!("{whole}\n"))
}

/// `nbdkit … DOMAIN.xml`
pub(super) fn nbdkit(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["replies", "caps-xml", "fakehost", "flag"])?;
    let draft = Draft::parse(&args.read_input(0)?, &ReadMode::default())?;
    let features = Features::of(args.flag_values("nbdkit-cap"));
    let mut out = ostler_base::JsonMap::new();
    let mut pipe = 777;
    for (nth, disk) in draft.devices.disks.iter().enumerate() {
        let mut image = disk.image.clone();
        image.complete();
        for (depth, image) in image.chain().enumerate() {
            let name = format!("disk{nth}-src{depth}");
            let socket = format!("/tmp/domain-{}/nbdkit-{name}.socket", draft.name());
            let readonly = disk.readonly || depth > 0;
            if let Some(command) = Command::serving(image, &socket, readonly, features)? {
                out.insert(name, rendered(&command, &mut pipe));
            }
        }
    }
    Ok(pretty(&Json::Object(out)))
}

/// A command line with its pipes, which have the next numbers.
fn rendered(command: &Command, pipe: &mut u32) -> Json {
    let environment = command.environment.iter().map(|(name, value)| format!("{name}={value}"));
    let mut words: Vec<String> = environment.chain(["nbdkit".to_owned()]).collect();
    let mut pipes = ostler_base::JsonMap::new();
    for argument in &command.arguments {
        match argument {
            Argument::Plain(word) => words.push(word.clone()),
            Argument::Pipe(key, what) => {
                words.push(format!("{key}=-{pipe}"));
                pipes.insert((*pipe + 1).to_string(), Json::from(piped(what)));
                *pipe += 2;
            }
        }
    }
    json!({"args": words, "pipes": pipes})
}

fn piped(what: &Piped) -> String {
    match what {
        Piped::Text(text) => format!("{text}\n"),
        Piped::Secret { kind, lookup: SecretLookup::Usage(usage) } => format!("{kind}-{usage}-secret\n"),
        Piped::Secret { kind, lookup: SecretLookup::Uuid(uuid) } => format!("{kind}-{uuid}-secret\n"),
    }
}
