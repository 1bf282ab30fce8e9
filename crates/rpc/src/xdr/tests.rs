//! Properties of the codec: what is written reads back, and nothing that is read exceeds bounds.

use proptest::prelude::*;

use super::*;
use crate::message::WireError;
use crate::programs::remote::*;
use crate::programs::{TypedParam, TypedValue};
use ostler_base::Uuid;

fn bytes<T: Xdr>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.put(&mut out).unwrap();
    out
}

/// Written, read back whole, and no prefix of it can be read.
#[track_caller]
fn round<T: Xdr + PartialEq + fmt::Debug>(value: &T) {
    let bytes = bytes(value);
    assert_eq!(bytes.len() % 4, 0);
    assert!(bytes.len() >= T::MIN);
    let mut rest = &bytes[..];
    assert_eq!(&T::get(&mut rest).unwrap(), value);
    assert!(rest.is_empty());
    for end in 0..bytes.len() {
        assert_eq!(T::get(&mut &bytes[..end]), Err(XdrError::Short), "{end} of {}", bytes.len());
    }
}

fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,20}"
}

prop_compose! {
    fn domain()(name in text(), uuid in any::<[u8; 16]>(), id in any::<i32>()) -> DomainRef {
        DomainRef { name, uuid: Uuid(uuid), id }
    }
}

fn typed_value() -> impl Strategy<Value = TypedValue> {
    prop_oneof![
        any::<i32>().prop_map(TypedValue::Int),
        any::<u32>().prop_map(TypedValue::Uint),
        any::<i64>().prop_map(TypedValue::Llong),
        any::<u64>().prop_map(TypedValue::Ullong),
        (-1e300..1e300).prop_map(TypedValue::Double),
        any::<bool>().prop_map(TypedValue::Boolean),
        text().prop_map(TypedValue::String),
    ]
}

prop_compose! {
    fn typed_param()(field in text(), value in typed_value()) -> TypedParam {
        TypedParam { field, value }
    }
}

prop_compose! {
    fn wire_error()(
        code in any::<i32>(),
        texts in any::<[Option<u8>; 4]>(),
        dom in proptest::option::of(domain()),
        numbers in any::<[i32; 4]>(),
        net in proptest::option::of((text(), any::<[u8; 16]>())),
    ) -> WireError {
        let [message, str1, str2, str3] = texts.map(|text| text.map(|n| "ä".repeat(n.into())));
        let [domain, level, int1, int2] = numbers;
        let net = net.map(|(name, uuid)| NetworkRef { name, uuid: Uuid(uuid) });
        WireError { code, domain, message, level, dom, str1, str2, str3, int1, int2, net }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn typed_params(params in proptest::collection::vec(typed_param(), 0..=16), flags in any::<u32>(), dom in domain()) {
        round(&DomainSetMemoryParametersArgs { dom, params: List(params), flags });
    }

    #[test]
    fn errors(error in wire_error()) {
        round(&error);
    }

    #[test]
    fn narrow_numbers(state in any::<u8>(), nr_virt_cpu in any::<u16>(), max_mem in any::<u64>(), kind in any::<i8>()) {
        round(&DomainGetInfoRet { state, max_mem, memory: 1, nr_virt_cpu, cpu_time: 2 });
        round(&StorageVolGetInfoRet { kind, capacity: 1, allocation: 2 });
    }

    #[test]
    fn bytes_and_characters(data in proptest::collection::vec(any::<u8>(), 0..100)) {
        round(&SecretGetValueRet { value: Opaque(data.clone()) });
        round(&AuthSaslStepArgs { nil: 1, data: Chars(data) });
    }

    #[test]
    fn lists_of_lists(names in proptest::collection::vec(text(), 0..8)) {
        let addrs = |name: &String| DomainIpAddr { kind: 1, addr: name.clone(), prefix: 24 };
        let interface = |name: &String| DomainInterface {
            name: name.clone(),
            hwaddr: Some(name.clone()).filter(|name| !name.is_empty()),
            addrs: names.iter().map(addrs).collect(),
        };
        round(&DomainInterfaceAddressesRet { ifaces: names.iter().map(interface).collect() });
    }

    #[test]
    fn anything_read_is_written_the_same(noise in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..400)) {
        for program in [&REMOTE, &crate::programs::qemu::QEMU, &crate::programs::admin::ADMIN] {
            for row in program.rows {
                for recode in [row.recode_args, row.recode_ret] {
                    if let Ok(once) = recode(&noise) {
                        prop_assert_eq!(recode(&once), Ok(once));
                    }
                }
            }
        }
    }
}

#[test]
fn known_bytes() {
    assert_eq!(bytes(&"abcde".to_owned()), b"\0\0\0\x05abcde\0\0\0");
    assert_eq!(bytes(&Some(-1i32)), [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(bytes(&None::<i32>), [0; 4]);
    assert_eq!(bytes(&-2i8), [0xff, 0xff, 0xff, 0xfe]);
    assert_eq!(bytes(&Chars::<4>(vec![0x80, 1])), [0, 0, 0, 2, 0xff, 0xff, 0xff, 0x80, 0, 0, 0, 1]);
    assert_eq!(bytes(&TypedValue::from(true)), [0, 0, 0, 6, 0, 0, 0, 1]);
    assert_eq!(bytes(&1.5f64), [0x3f, 0xf8, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes(&FixedChars::<3>::new("abcd"))[3..], [b'a', 0, 0, 0, b'b', 0, 0, 0, 0]);
    assert_eq!(FixedChars::<3>::new("abcd").text(), "ab");
}

#[test]
fn bounds_hold_both_ways() {
    assert_eq!(List::<i32, 2>(vec![1; 3]).put(&mut Vec::new()), Err(XdrError::TooLong { count: 3, max: 2 }));
    assert_eq!(Opaque::<2>(vec![1; 3]).put(&mut Vec::new()), Err(XdrError::TooLong { count: 3, max: 2 }));
    let too_many = [&3u32.to_be_bytes()[..], &[0; 12]].concat();
    assert_eq!(List::<i32, 2>::get(&mut &too_many[..]), Err(XdrError::TooLong { count: 3, max: 2 }));
    assert_eq!(Chars::<2>::get(&mut &too_many[..]), Err(XdrError::TooLong { count: 3, max: 2 }));
    // A count that the bytes left cannot hold is found out before anything is made.
    let huge = [&0xffff_ffffu32.to_be_bytes()[..], &[0; 12]].concat();
    assert_eq!(List::<i64, { usize::MAX }>::get(&mut &huge[..]), Err(XdrError::Short));
    assert_eq!(Opaque::<{ usize::MAX }>::get(&mut &huge[..]), Err(XdrError::Short));
    assert!(matches!(String::get(&mut &huge[..]), Err(XdrError::TooLong { .. })));
}

#[test]
fn lenient_where_the_reference_is() {
    assert_eq!(Option::<i32>::get(&mut &[0, 0, 0, 7, 0, 0, 0, 9][..]), Ok(Some(9)));
    assert_eq!(String::get(&mut &b"\0\0\0\x01a\xff\xff\xff"[..]), Ok("a".to_owned()));
    assert_eq!(String::get(&mut &b"\0\0\0\x04no\0e"[..]), Ok("no".to_owned()));
    assert_eq!(u16::get(&mut &[1, 2, 3, 4][..]), Ok(0x0304));
    assert!(decode::<i32>(&[0, 0, 0, 1, 2, 3]).is_ok());
    assert_eq!(String::get(&mut &b"\0\0\0\x01\xff\0\0\0"[..]), Err(XdrError::NotText));
    assert_eq!(AuthType::get(&mut &[0, 0, 0, 9][..]), Err(XdrError::Unknown(9)));
    assert_eq!(TypedValue::get(&mut &[0, 0, 0, 8, 0, 0, 0, 0][..]), Err(XdrError::Unknown(8)));
}

#[test]
fn secrets_are_not_printed() {
    let value = SecretGetValueRet { value: Opaque(b"geheim".to_vec()) };
    assert_eq!(format!("{value:?}"), "SecretGetValueRet { value: 6 bytes }");
    assert_eq!(format!("{:?}", Hidden("geheim".to_owned())), "hidden");
    assert_eq!(format!("{:?}", Chars::<10>(b"geheim".to_vec())), "6 bytes");
}
