//! A guest's screen: pictures of it, and connections to it.
//!
//! Owns: which adapter or protocol is meant. Never: keeps a picture in a file.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use ostler_base::json::json;
use ostler_base::{Error, Json, Result, Word, refuse};
use ostler_domain::devices::Device;
use ostler_domain::devices::graphics::GraphicsType;
use rustix::fs::{MemfdFlags, memfd_create};

use crate::domain::guest::{Link, not_running};
use crate::domain::{Guest, Job};
use crate::engine::Engine;

/// The largest picture, bytes.
const LARGEST: u64 = 256 << 20;

/// A picture of a screen.
#[derive(Debug)]
pub struct Picture {
    /// What its bytes are.
    pub mime: &'static str,
    /// The bytes, from the beginning of a file without a name.
    pub file: File,
}

impl Engine {
    /// Takes a picture of one of a guest's screens, counted over all its adapters.
    pub async fn screenshot(&self, guest: &Arc<Guest>, screen: u32) -> Result<Picture> {
        let _pass = guest.gate.enter(Job::Query, "remoteDispatchDomainScreenshot").await?;
        let link = guest.link()?;
        let live = guest.view().live.clone().ok_or_else(not_running)?;
        let videos = &live.domain().devices.videos;
        if videos.is_empty() {
            refuse!(operation_failed, "no screens to take screenshot from");
        }
        let mut arguments = json!({"format": "png"});
        if screen > 0 {
            let mut left = screen;
            let found = videos.iter().find(|video| {
                let heads = video.heads.unwrap_or(1);
                let here = left < heads;
                left = left.saturating_sub(if here { 0 } else { heads });
                here
            });
            let Some(video) = found else { refuse!(operation_invalid, "no such screen ID") };
            arguments["device"] = json!(video.info().alias());
            arguments["head"] = json!(left);
        }
        self.picture(guest, &link, arguments).await
    }

    async fn picture(&self, guest: &Arc<Guest>, link: &Link, mut arguments: Json) -> Result<Picture> {
        let system =
            |error: std::io::Error| Error::system(format!("cannot make room for a picture: {error}"));
        let memory = memfd_create("screenshot", MemfdFlags::CLOEXEC).map_err(|error| system(error.into()))?;
        // The emulator takes a descriptor only where it may do no more with it than it asks for.
        let inside = File::options().write(true).open(format!("/proc/self/fd/{}", memory.as_raw_fd()));
        let monitor = &link.monitor;
        let told = |error: ostler_qmp::MonitorError| error.of_guest(&guest.view().name);
        let added = monitor.command_with_fds("add-fd", None, vec![inside.map_err(system)?.into()]).await;
        let added = added.map_err(told)?;
        let set = added
            .get("fdset-id")
            .and_then(Json::as_u64)
            .ok_or_else(|| Error::internal("QEMU does not say where it put a descriptor"))?;
        arguments["filename"] = json!(format!("/dev/fdset/{set}"));
        let taken = monitor.command("screendump", Some(arguments)).await;
        let removed = monitor.command("remove-fd", Some(json!({"fdset-id": set}))).await;
        taken.map_err(told)?;
        removed.map_err(told)?;
        let file = File::from(memory);
        if file.metadata().map_err(system)?.len() > LARGEST {
            refuse!(operation_failed, "the picture is larger than {LARGEST} bytes");
        }
        Ok(Picture { mime: "image/png", file })
    }

    /// Hands the emulator a connection of somebody who wants to see the screen; `skip_auth`: who it is
    /// does not matter any more.
    pub async fn open_graphics(
        &self,
        guest: &Arc<Guest>,
        index: u32,
        connection: OwnedFd,
        skip_auth: bool,
    ) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainOpenGraphics").await?;
        let link = guest.link()?;
        let live = guest.view().live.clone().ok_or_else(not_running)?;
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(graphics) = live.domain().devices.graphics.get(place) else {
            refuse!(internal, "No graphics backend with index {index}")
        };
        let protocol = match graphics.kind {
            GraphicsType::Vnc => "vnc",
            GraphicsType::Spice => "spice",
            GraphicsType::Dbus => "@dbus-display",
            other => refuse!(
                invalid_arg,
                "Can only open VNC, SPICE, D-Bus or RDP graphics backends, not {}",
                other.as_str()
            ),
        };
        let told = |error: ostler_qmp::MonitorError| error.of_guest(&guest.view().name);
        let named = json!({"fdname": "graphicsfd"});
        link.monitor.command_with_fds("getfd", Some(named.clone()), vec![connection]).await.map_err(told)?;
        let arguments = json!({"protocol": protocol, "fdname": "graphicsfd", "skipauth": skip_auth});
        if let Err(error) = link.monitor.command("add_client", Some(arguments)).await {
            drop(link.monitor.command("closefd", Some(named)).await);
            return Err(told(error));
        }
        Ok(())
    }
}
