#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| latchkey_fuzz::jwk_set::check(input));
