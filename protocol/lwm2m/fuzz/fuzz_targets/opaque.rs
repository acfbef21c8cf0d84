#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| lwm2m_fuzz::content(lwm2m::ContentFormat::Opaque, input));
