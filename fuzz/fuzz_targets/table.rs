//! Field tables: decoding and skipping agree, and what is encoded decodes to the same.
#![no_main]

use bytes::BytesMut;
use leveret_protocol::FieldTable;
use leveret_protocol::field::skip_table;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok((table, rest)) = FieldTable::decode(data) else {
        assert!(skip_table(data).is_err(), "skipped what does not decode");
        return;
    };
    assert_eq!(skip_table(data), Ok(rest), "decoded what is not skipped");
    let encoded = encode(&table);
    assert_eq!(encoded.len(), table.encoded_len());
    let (again, rest) = FieldTable::decode(&encoded).expect("an encoded table decodes");
    assert!(rest.is_empty());
    // As octets, since a NaN does not equal itself.
    assert_eq!(encode(&again), encoded);
});

fn encode(table: &FieldTable) -> BytesMut {
    let mut out = BytesMut::new();
    table.encode(&mut out);
    out
}
