//! Stands in for the crate of the same name. `pingora-core` asks `flate2` for zlib-ng, whose
//! build needs cmake, which a fresh machine lacks. The gateway compresses nothing itself, so the
//! memory-safe zlib-rs behind the same C interface serves as well and builds with cargo alone.
//!
//! The one difference between the two interfaces: zlib-ng's `z_stream` holds its two allocators
//! as plain function pointers, zlib-rs's as options of them. The layouts are the same (an
//! `Option` of a function pointer is a nullable pointer), so each function casts and forwards.
#![allow(
    non_camel_case_types,
    non_snake_case,
    clippy::missing_safety_doc,
    unsafe_op_in_unsafe_fn
)]

use std::ffi::{c_char, c_int, c_void};

pub use libz_rs_sys::{
    Bytef, Z_BLOCK, Z_BUF_ERROR, Z_DATA_ERROR, Z_DEFAULT_STRATEGY, Z_DEFLATED, Z_FINISH,
    Z_FULL_FLUSH, Z_MEM_ERROR, Z_NEED_DICT, Z_NO_FLUSH, Z_OK, Z_PARTIAL_FLUSH, Z_STREAM_END,
    Z_STREAM_ERROR, Z_SYNC_FLUSH, internal_state, uInt, uLong, voidpf,
    zlibVersion,
};

/// Counts and checksums are `unsigned long` in both interfaces.
pub type z_size = uLong;
pub type z_checksum = uLong;
pub type alloc_func = unsafe extern "C" fn(*mut c_void, uInt, uInt) -> *mut c_void;
pub type free_func = unsafe extern "C" fn(*mut c_void, *mut c_void);

/// zlib-ng's stream state, field by field.
#[repr(C)]
#[derive(Copy, Clone)]
pub struct z_stream {
    pub next_in: *mut Bytef,
    pub avail_in: uInt,
    pub total_in: z_size,
    pub next_out: *mut Bytef,
    pub avail_out: uInt,
    pub total_out: z_size,
    pub msg: *mut c_char,
    pub state: *mut internal_state,
    pub zalloc: alloc_func,
    pub zfree: free_func,
    pub opaque: voidpf,
    pub data_type: c_int,
    pub adler: z_checksum,
    pub reserved: uLong,
}

const _: () = assert!(size_of::<z_stream>() == size_of::<libz_rs_sys::z_stream>());

macro_rules! forward {
    ($($name:ident($($argument:ident: $kind:ty),*);)*) => {
        $(pub unsafe extern "C" fn $name(stream: *mut z_stream, $($argument: $kind),*) -> c_int {
            // SAFETY: the layouts are equal; the caller's duties are those of the C function.
            libz_rs_sys::$name(stream.cast(), $($argument),*)
        })*
    };
}

forward! {
    deflate(flush: c_int);
    deflateEnd();
    deflateReset();
    deflateParams(level: c_int, strategy: c_int);
    deflateSetDictionary(dictionary: *const Bytef, length: uInt);
    deflateInit2_(level: c_int, method: c_int, window_bits: c_int, memory_level: c_int,
                  strategy: c_int, version: *const c_char, stream_size: c_int);
    inflate(flush: c_int);
    inflateEnd();
    inflateReset2(window_bits: c_int);
    inflateSetDictionary(dictionary: *const Bytef, length: uInt);
    inflateInit2_(window_bits: c_int, version: *const c_char, stream_size: c_int);
}
