//! The command that reaches a socket of another host through a secure shell.
//!
//! Owns: its words, and the few lines that run on the other side. Never: runs it.

use crate::uri::{Place, Proxy, Ssh};

/// The helper on the other side.
const HELPER: &str = "virt-ssh-helper";

/// The words of the command; the first is the program.
pub(crate) fn command(ssh: &Ssh, read_only: bool) -> Vec<String> {
    let mut words = vec![ssh.command.clone().unwrap_or_else(|| "ssh".to_owned())];
    let mut pair = |option: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([option.to_owned(), value]);
        }
    };
    pair("-p", ssh.port.map(|port| port.to_string()));
    pair("-l", ssh.user.clone());
    pair("-i", ssh.keyfile.clone());
    if ssh.no_tty {
        words.extend(["-o", "BatchMode=yes"].map(str::to_owned));
    }
    if ssh.unverified {
        words.extend(["-o", "StrictHostKeyChecking=no"].map(str::to_owned));
    }
    words.extend(["-T", "-e", "none", "--"].map(str::to_owned));
    words.push(ssh.host.clone());
    // The other side's shell takes this apart once more.
    words.push(format!("sh -c {}", quoted(&script(ssh, read_only))));
    words
}

fn script(ssh: &Ssh, read_only: bool) -> String {
    let helper = format!("{HELPER}{} {}", if read_only { " -r" } else { "" }, quoted(&ssh.uri));
    let socket = quoted(&ssh.place.socket(read_only).to_string_lossy());
    let netcat = quoted(ssh.netcat.as_deref().unwrap_or("nc"));
    // One kind of netcat ends with its input only when told to.
    let netcat = format!(
        "if {netcat} -q 2>&1 | grep 'requires an argument' >/dev/null 2>&1; then A=-q0; else A=; fi; {netcat} $A -U {socket}"
    );
    // The helper looks for sockets at the usual places only.
    let named = ssh.netcat.is_some() || matches!(ssh.place, Place::Socket(_));
    let proxy = if named && ssh.proxy == Proxy::Auto { Proxy::Netcat } else { ssh.proxy };
    match proxy {
        Proxy::Native => helper,
        Proxy::Netcat => netcat,
        Proxy::Auto => format!("if command -v {HELPER} >/dev/null 2>&1; then {helper}; else {netcat}; fi"),
    }
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uri::Mode;

    fn asked() -> Ssh {
        Ssh {
            host: "h".to_owned(),
            port: Some(22),
            user: Some("u".to_owned()),
            command: None,
            keyfile: Some("/k".to_owned()),
            unverified: true,
            no_tty: true,
            proxy: Proxy::Auto,
            netcat: None,
            place: Place::Directory("/run/libvirt".into(), Mode::Legacy, false),
            uri: "qemu:///system?a='b'".to_owned(),
        }
    }

    #[test]
    fn words() {
        let words = command(&asked(), true);
        let before = "ssh -p 22 -l u -i /k -o BatchMode=yes -o StrictHostKeyChecking=no -T -e none -- h";
        assert_eq!(words[..words.len() - 1].join(" "), before);
        assert!(script(&asked(), true).contains(r"virt-ssh-helper -r 'qemu:///system?a='\''b'\'''; else"));
        assert!(script(&asked(), false).ends_with("'nc' $A -U '/run/libvirt/libvirt-sock'; fi"));
        let netcat = Ssh { netcat: Some("/bin/my nc".to_owned()), ..asked() };
        assert!(script(&netcat, false).starts_with("if '/bin/my nc' -q"));
        let socket = Ssh { place: Place::Socket("/a b".into()), ..asked() };
        assert!(script(&socket, false).ends_with("; 'nc' $A -U '/a b'"));
        let native = Ssh { proxy: Proxy::Native, ..asked() };
        assert!(script(&native, false).starts_with("virt-ssh-helper 'qemu"));
    }
}
