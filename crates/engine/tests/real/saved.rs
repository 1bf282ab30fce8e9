//! Guests saved, brought back and dumped; names and words changed; a hung emulator.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ostler_engine::ops::autostart::Often;
use ostler_engine::ops::define::Managed;
use ostler_engine::ops::describe::About;
use ostler_engine::ops::dump::{Content, Course};
use ostler_engine::ops::pump::Cache;
use ostler_engine::ops::save::Saving;
use ostler_engine::ops::start::Saved;
use ostler_engine::ops::targets::{AFFECT_CONFIG, AFFECT_LIVE};
use ostler_engine::{Manner, Processors, Strictness, Variables};

use super::{Daemon, Root, TAKE, definition, numbers, told};

const SAVING: Saving = Saving { cache: Cache::Keep, processors: None };

#[test]
fn saved_and_back() {
    let root = Root::new("saved");
    let Some(daemon) = Daemon::start(&root.0) else { return };
    let engine = &daemon.engine;
    let file = root.0.join("tiny.save");
    daemon.runtime.block_on(async {
        engine.define(&definition("saved"), Strictness::Lenient).await.unwrap();
        let guest = daemon.guest("saved");
        engine.start(&guest, Processors::Run, TAKE).await.unwrap();
        let mut events = engine.subscribe();
        let nowhere = PathBuf::from("/nonexistent/x");
        let error = engine.save(&guest, &nowhere, None, SAVING).await.unwrap_err();
        assert_eq!(error.detail(), "Failed to create file '/nonexistent/x': No such file or directory");
        assert_eq!((numbers(&guest), told(&mut events)), ((1, 7), vec![(3, 0), (4, 0)]), "it goes on");

        engine.save(&guest, &file, None, SAVING).await.unwrap();
        assert_eq!((numbers(&guest), told(&mut events)), ((5, 5), vec![(3, 0), (6, 2), (5, 4)]));
        let xml = engine.saved_definition(&file, false).await.unwrap();
        assert!(xml.contains("<name>saved</name>"));
        engine.restore(&file, None, SAVING).await.unwrap();
        assert_eq!((numbers(&guest), told(&mut events)), ((1, 3), vec![(2, 2), (4, 2)]));
        let again = engine.restore(&file, None, SAVING).await.unwrap_err();
        assert_eq!(again.detail(), "domain 'saved' is already active");

        engine.suspend(&guest).await.unwrap();
        engine.managed_save(&guest, SAVING).await.unwrap();
        assert!(guest.view().managed_save);
        let refused = engine.undefine(&guest, Variables::Absent, Managed::Refuse).await.unwrap_err();
        assert_eq!(refused.detail(), "Refusing to undefine while domain managed save image exists");
        told(&mut events);
        engine.start(&guest, Processors::Run, TAKE).await.unwrap();
        assert_eq!((numbers(&guest), told(&mut events)), ((3, 2), vec![(2, 2), (3, 4)]));
        assert!(!guest.view().managed_save);
        let running = Saving { processors: Some(Processors::Run), ..SAVING };
        engine.managed_save(&guest, running).await.unwrap();
        engine.start(&guest, Processors::Run, Saved::Drop).await.unwrap();
        assert_eq!(numbers(&guest), (1, 1), "it booted");

        let core = root.0.join("core");
        let course = Course { live: false, crash: false, reset: false };
        engine.dump(&guest, &core, Content::Memory("elf"), course, Cache::Keep).await.unwrap();
        assert!(std::fs::read(&core).unwrap().starts_with(b"\x7fELF"));
        engine.dump(&guest, &core, Content::State, course, Cache::Bypass).await.unwrap();
        assert!(std::fs::read(&core).unwrap().starts_with(b"QEVM"));
        assert_eq!(numbers(&guest), (1, 5));
        engine.destroy(&guest, Manner::Force).await.unwrap();
    });
}

#[test]
fn words_and_names() {
    let root = Root::new("words");
    let Some(daemon) = Daemon::start(&root.0) else { return };
    let engine = &daemon.engine;
    daemon.runtime.block_on(async {
        engine.define(&definition("old"), Strictness::Lenient).await.unwrap();
        let guest = daemon.guest("old");
        engine.set_autostart(&guest, true, Often::Always).await.unwrap();
        let mut events = engine.subscribe();
        let own = (Some("k"), Some("urn:x"));
        engine.describe(&guest, About::Element, Some("<a><b/></a>"), own, AFFECT_CONFIG).await.unwrap();
        let element = engine.described(&guest, About::Element, Some("urn:x"), AFFECT_CONFIG).unwrap();
        assert_eq!(element, "<a><b/></a>");
        let kept = std::fs::read_to_string(engine.paths().definition("old")).unwrap();
        assert!(kept.contains("<k:a xmlns:k=\"urn:x\"><k:b/></k:a>"), "{kept}");
        engine.rename(&guest, "new").await.unwrap();
        assert_eq!(told(&mut events), [(1, 1), (0, 2)]);
        assert!(engine.registry().by_name("old").is_none() && !engine.paths().definition("old").exists());
        assert!(engine.paths().autostart("new").exists());
        assert_eq!(engine.rename(&guest, "a/b").await.unwrap_err().detail(), "name a/b cannot contain '/'");
        assert!(engine.rename(&guest, "new").await.is_err());

        engine.start(&guest, Processors::Run, TAKE).await.unwrap();
        engine.describe(&guest, About::Title, Some("T"), (None, None), AFFECT_LIVE).await.unwrap();
        assert_eq!(engine.described(&guest, About::Title, None, 0).unwrap(), "T");
        assert!(engine.described(&guest, About::Title, None, AFFECT_CONFIG).is_err());
        let error = engine.rename(&guest, "third").await.unwrap_err();
        assert_eq!(error.detail(), "cannot rename active domain");
        engine.destroy(&guest, Manner::Force).await.unwrap();
    });
}

#[test]
fn a_hung_emulator_delays_nobody() {
    let root = Root::new("hung");
    let Some(daemon) = Daemon::start(&root.0) else { return };
    let engine = &daemon.engine;
    daemon.runtime.block_on(async {
        for name in ["hung", "fine"] {
            engine.create(&definition(name), Strictness::Lenient, Processors::Run).await.unwrap();
        }
        let (hung, fine) = (daemon.guest("hung"), daemon.guest("fine"));
        hung.link().unwrap().process.signal(rustix::process::Signal::STOP).unwrap();
        let (stuck, owner) = (engine.clone(), hung.clone());
        let waiting = tokio::spawn(async move { stuck.suspend(&owner).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begin = Instant::now();
        assert_eq!(numbers(&hung), (1, 1));
        hung.view().xml(Default::default(), &engine.setting(None)).unwrap();
        engine.suspend(&fine).await.unwrap();
        engine.resume(&fine).await.unwrap();
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        waiting.abort();
        hung.link().unwrap().process.signal(rustix::process::Signal::KILL).unwrap();
        engine.destroy(&fine, Manner::Force).await.unwrap();
    });
}
