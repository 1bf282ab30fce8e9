//! Cyrus SASL, which is found when the process runs: building needs nothing of it.
//!
//! Owns: every call into it, and the confinement of the process. Never: hands out memory of it;
//! what it says is copied.
#![expect(unsafe_code, reason = "a C library; each block says why it may be called so")]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::ptr;

const OK: c_int = 0;
const CONTINUE: c_int = 1;
/// The server may send its last data with its verdict.
const SUCCESS_DATA: c_uint = 4;
const USER_NAME: c_int = 0;
const STRENGTH: c_int = 1;
const LARGEST_OUTPUT: c_int = 2;
const STRENGTH_BELOW: c_int = 100;
const PROPERTIES: c_int = 101;
const NO_PLAIN_TEXT: c_uint = 1;
const NO_ANONYMOUS: c_uint = 16;
/// The most bytes that one token may hold.
const BUFFER: c_uint = 100_000;

/// What is asked of a mechanism, in the library's own layout.
#[repr(C)]
struct Properties {
    min_strength: c_uint,
    max_strength: c_uint,
    buffer: c_uint,
    flags: c_uint,
    names: *const *const c_char,
    values: *const *const c_char,
}

type Conversation = *mut c_void;
type Convert =
    unsafe extern "C" fn(Conversation, *const c_char, c_uint, *mut *const c_char, *mut c_uint) -> c_int;

/// Declares the functions of the library that are used.
macro_rules! functions {
    ($($name:ident: $type:ty;)+) => {
        struct Library { $($name: $type,)+ }

        impl Library {
            fn load() -> Result<Self, String> {
                // SAFETY: the name is a C string; loading runs the library's initialisers, which
                // it is loaded for.
                let handle = unsafe { libc::dlopen(c"libsasl2.so.2".as_ptr(), libc::RTLD_NOW) };
                if handle.is_null() {
                    return Err("libsasl2.so.2 is not installed".to_owned());
                }
                $(
                    // SAFETY: the handle is open and stays so; the name is a C string.
                    let found = unsafe { libc::dlsym(handle, concat!(stringify!($name), "\0").as_ptr().cast()) };
                    if found.is_null() {
                        return Err(concat!("libsasl2.so.2 has no ", stringify!($name)).to_owned());
                    }
                    // SAFETY: the function of this name has this type in every version with this
                    // name of the library.
                    let $name = unsafe { std::mem::transmute::<*mut c_void, $type>(found) };
                )+
                Ok(Library { $($name,)+ })
            }
        }
    };
}

functions! {
    sasl_server_init: unsafe extern "C" fn(*const c_void, *const c_char) -> c_int;
    sasl_server_new: unsafe extern "C" fn(
        *const c_char, *const c_char, *const c_char, *const c_char, *const c_char, *const c_void, c_uint,
        *mut Conversation,
    ) -> c_int;
    sasl_setprop: unsafe extern "C" fn(Conversation, c_int, *const c_void) -> c_int;
    sasl_getprop: unsafe extern "C" fn(Conversation, c_int, *mut *const c_void) -> c_int;
    sasl_listmech: unsafe extern "C" fn(
        Conversation, *const c_char, *const c_char, *const c_char, *const c_char, *mut *const c_char,
        *mut c_uint, *mut c_int,
    ) -> c_int;
    sasl_server_start: unsafe extern "C" fn(
        Conversation, *const c_char, *const c_char, c_uint, *mut *const c_char, *mut c_uint,
    ) -> c_int;
    sasl_server_step: Convert;
    sasl_encode: Convert;
    sasl_decode: Convert;
    sasl_errdetail: unsafe extern "C" fn(Conversation) -> *const c_char;
}

/// How far a client has come.
#[derive(Debug)]
pub(crate) enum Progress {
    /// More is to be said.
    Goes {
        /// What the client is told.
        data: Option<Vec<u8>>,
    },
    /// It has proved who it is.
    Done {
        /// What the client is told.
        data: Option<Vec<u8>>,
        /// Its name.
        user: String,
        /// The strength of the layer that protects what follows, in bits; 0: none does.
        strength: u32,
    },
}

/// The server's side of one client's conversation.
pub(crate) struct Server {
    library: Library,
    conversation: Conversation,
}

fn text(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| "a name holds a zero byte".to_owned())
}

/// Copies what the library says.
///
/// # Safety
///
/// Where `bytes` is not null, `length` bytes can be read there.
unsafe fn copied(bytes: *const c_char, length: c_uint) -> Option<Vec<u8>> {
    if bytes.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length as usize) };
    Some(bytes.to_vec())
}

impl Server {
    /// Begins: the application and the host name by which the service is known, this side's address
    /// and the client's (`address;port`, or empty), the strength of what protects the connection
    /// already, the least and the most strength wanted, whether plain passwords may be sent. Yields
    /// the mechanisms that there are, with commas.
    pub(crate) fn new(
        application: &str,
        host: &str,
        addresses: [&str; 2],
        [below, min_strength, max_strength]: [u32; 3],
        plain: bool,
    ) -> Result<(Self, String), String> {
        let library = Library::load()?;
        let (application, host) = (text(application)?, text(host)?);
        let [local, remote] = [text(addresses[0])?, text(addresses[1])?];
        let or_null = |text: &CString| if text.is_empty() { ptr::null() } else { text.as_ptr() };
        // SAFETY: no callbacks, and a C string that is copied.
        if unsafe { (library.sasl_server_init)(ptr::null(), application.as_ptr()) } != OK {
            return Err("the library cannot be initialised".to_owned());
        }
        let mut conversation = ptr::null_mut();
        // SAFETY: C strings or null where the library allows it, all alive during the call; the
        // last argument is where the new conversation is put.
        let made = unsafe {
            (library.sasl_server_new)(
                application.as_ptr(),
                or_null(&host),
                ptr::null(),
                or_null(&local),
                or_null(&remote),
                ptr::null(),
                SUCCESS_DATA,
                &raw mut conversation,
            )
        };
        if made != OK || conversation.is_null() {
            return Err(format!("a conversation cannot be begun ({made})"));
        }
        let server = Server { library, conversation };
        let flags = if plain { 0 } else { NO_PLAIN_TEXT | NO_ANONYMOUS };
        let wanted = Properties {
            min_strength,
            max_strength,
            buffer: BUFFER,
            flags,
            names: ptr::null(),
            values: ptr::null(),
        };
        server.set(STRENGTH_BELOW, (&raw const below).cast())?;
        server.set(PROPERTIES, (&raw const wanted).cast())?;
        let mechanisms = server.mechanisms()?;
        Ok((server, mechanisms))
    }

    fn failed(&self, what: &str, code: c_int) -> String {
        // SAFETY: the conversation is alive; the text is the library's and is copied at once.
        let detail = unsafe {
            let detail = (self.library.sasl_errdetail)(self.conversation);
            if detail.is_null() {
                String::new()
            } else {
                CStr::from_ptr(detail).to_string_lossy().into_owned()
            }
        };
        format!("{what} failed ({code}): {detail}")
    }

    /// `value` points to what the library wants for this property, for the time of the call.
    fn set(&self, property: c_int, value: *const c_void) -> Result<(), String> {
        // SAFETY: only `new` calls this, with values of the type that the library reads and copies.
        match unsafe { (self.library.sasl_setprop)(self.conversation, property, value) } {
            OK => Ok(()),
            code => Err(self.failed("setting a property", code)),
        }
    }

    fn mechanisms(&self) -> Result<String, String> {
        let mut found = ptr::null();
        // SAFETY: C strings; the text that is found is the library's and is copied below.
        let code = unsafe {
            (self.library.sasl_listmech)(
                self.conversation,
                ptr::null(),
                c"".as_ptr(),
                c",".as_ptr(),
                c"".as_ptr(),
                &raw mut found,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        if code != OK || found.is_null() {
            return Err(self.failed("listing the mechanisms", code));
        }
        // SAFETY: the library ends its texts with a zero byte.
        Ok(unsafe { CStr::from_ptr(found) }.to_string_lossy().into_owned())
    }

    /// The client chose a mechanism.
    pub(crate) fn start(&mut self, mechanism: &str, data: Option<&[u8]>) -> Result<Progress, String> {
        let mechanism = text(mechanism)?;
        let (mut out, mut length) = (ptr::null(), 0);
        let bytes = data.map_or(ptr::null(), |data| data.as_ptr().cast());
        let count = c_uint::try_from(data.map_or(0, <[u8]>::len)).unwrap_or(0);
        // SAFETY: the bytes are readable for their count; the library copies what it keeps.
        let code = unsafe {
            (self.library.sasl_server_start)(
                self.conversation,
                mechanism.as_ptr(),
                bytes,
                count,
                &raw mut out,
                &raw mut length,
            )
        };
        // SAFETY: the library says how many bytes it answers with.
        let out = unsafe { copied(out, length) };
        self.progress(code, out)
    }

    /// The client said more.
    pub(crate) fn step(&mut self, data: Option<&[u8]>) -> Result<Progress, String> {
        let (code, out) = self.convert(self.library.sasl_server_step, data);
        self.progress(code, out)
    }

    fn progress(&self, code: c_int, data: Option<Vec<u8>>) -> Result<Progress, String> {
        match code {
            CONTINUE => Ok(Progress::Goes { data }),
            OK => {
                let user = self.property(USER_NAME)?.cast::<c_char>();
                let strength = self.property(STRENGTH)?.cast::<c_uint>();
                // SAFETY: these two properties are a text that ends with a zero byte and a number,
                // both the library's.
                let (user, strength) =
                    unsafe { (CStr::from_ptr(user).to_string_lossy().into_owned(), *strength) };
                Ok(Progress::Done { data, user, strength })
            }
            code => Err(self.failed("authentication", code)),
        }
    }

    fn property(&self, property: c_int) -> Result<*const c_void, String> {
        let mut value = ptr::null();
        // SAFETY: the value is a pointer to memory of the library.
        let code = unsafe { (self.library.sasl_getprop)(self.conversation, property, &raw mut value) };
        if code == OK && !value.is_null() { Ok(value) } else { Err(self.failed("reading a property", code)) }
    }

    fn convert(&self, function: Convert, data: Option<&[u8]>) -> (c_int, Option<Vec<u8>>) {
        let (mut out, mut length) = (ptr::null(), 0);
        let bytes = data.map_or(ptr::null(), |data| data.as_ptr().cast());
        let count = c_uint::try_from(data.map_or(0, <[u8]>::len)).unwrap_or(0);
        // SAFETY: the bytes are readable for their count; what comes out is the library's and is
        // copied before anything else is asked of it.
        unsafe {
            let code = function(self.conversation, bytes, count, &raw mut out, &raw mut length);
            (code, copied(out, length))
        }
    }

    /// Protects bytes for the client: one token for as much as one can hold.
    pub(crate) fn encode(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let most = self.property(LARGEST_OUTPUT)?.cast::<c_uint>();
        // SAFETY: this property is a number of the library.
        let most = unsafe { *most }.clamp(1, BUFFER) as usize;
        let mut all = Vec::new();
        for part in bytes.chunks(most) {
            match self.convert(self.library.sasl_encode, Some(part)) {
                (OK, out) => all.extend(out.unwrap_or_default()),
                (code, _) => return Err(self.failed("protecting", code)),
            }
        }
        Ok(all)
    }

    /// Takes the protection of bytes from the client; a token that is not whole yet is kept.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        match self.convert(self.library.sasl_decode, Some(bytes)) {
            (OK, out) => Ok(out.unwrap_or_default()),
            (code, _) => Err(self.failed("reading what is protected", code)),
        }
    }
}

/// Takes from this process what it does not need: it gains no rights by what it runs, and leaves no
/// image of its memory.
pub(crate) fn confine() {
    // SAFETY: these take numbers only.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
}
