//! The Lua scripts: their texts, how they are run, and that they are loaded again when the server has forgotten them.

use redis::{Cmd, Value};

use super::QueueError;
use super::link::{CallError, Link, Live, REPLY_TIMEOUT};

/// A step of a lane; each is one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the head of each file is its documentation")]
pub enum Script {
    Open,
    Enqueue,
    Confirm,
    Join,
    Beat,
    Turn,
    Ack,
    Nack,
    Release,
    Leave,
    Reclaim,
    Cancel,
    Find,
    Replay,
    Remove,
    Unpark,
    Rotate,
    Stats,
    Hold,
    Letters,
    Trim,
    Erase,
    Redact,
    Audit,
    Unplaced,
    Mend,
    Walk,
    Strays,
    Ghosts,
}

impl Script {
    /// Whether a call may simply be made again where its connection was lost, which shows only when it is next used:
    /// what changes nothing, and beat and open, of which the second says what the first has said.
    const fn may_run_twice(self) -> bool {
        matches!(
            self,
            Self::Find | Self::Stats | Self::Letters | Self::Unplaced | Self::Beat | Self::Open
        )
    }
}

const PRELUDE: &str = include_str!("../scripts/prelude.lua");

const FILES: [(Script, &str); 29] = [
    (Script::Open, include_str!("../scripts/open.lua")),
    (Script::Enqueue, include_str!("../scripts/enqueue.lua")),
    (Script::Confirm, include_str!("../scripts/confirm.lua")),
    (Script::Join, include_str!("../scripts/join.lua")),
    (Script::Beat, include_str!("../scripts/beat.lua")),
    (Script::Turn, include_str!("../scripts/turn.lua")),
    (Script::Ack, include_str!("../scripts/ack.lua")),
    (Script::Nack, include_str!("../scripts/nack.lua")),
    (Script::Release, include_str!("../scripts/release.lua")),
    (Script::Leave, include_str!("../scripts/leave.lua")),
    (Script::Reclaim, include_str!("../scripts/reclaim.lua")),
    (Script::Cancel, include_str!("../scripts/cancel.lua")),
    (Script::Find, include_str!("../scripts/find.lua")),
    (Script::Replay, include_str!("../scripts/replay.lua")),
    (Script::Remove, include_str!("../scripts/remove.lua")),
    (Script::Unpark, include_str!("../scripts/unpark.lua")),
    (Script::Rotate, include_str!("../scripts/rotate.lua")),
    (Script::Stats, include_str!("../scripts/stats.lua")),
    (Script::Hold, include_str!("../scripts/hold.lua")),
    (Script::Letters, include_str!("../scripts/letters.lua")),
    (Script::Trim, include_str!("../scripts/trim.lua")),
    (Script::Erase, include_str!("../scripts/erase.lua")),
    (Script::Redact, include_str!("../scripts/redact.lua")),
    (Script::Audit, include_str!("../scripts/audit.lua")),
    (Script::Unplaced, include_str!("../scripts/unplaced.lua")),
    (Script::Mend, include_str!("../scripts/mend.lua")),
    (Script::Walk, include_str!("../scripts/walk.lua")),
    (Script::Strays, include_str!("../scripts/strays.lua")),
    (Script::Ghosts, include_str!("../scripts/ghosts.lua")),
];

/// The server's clock, read once a call: it may move within a script on older servers.
const SERVER_CLOCK: &str = "local CLOCK_KEYS = 0
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
";

/// A clock that tests set: the value of the last key.
const MANUAL_CLOCK: &str = "local CLOCK_KEYS = 1
local function now_ms()
  return tonumber(redis.call('GET', KEYS[#KEYS]) or '0')
end
";

/// All scripts, ready to run.
pub struct Scripts {
    loaded: Vec<(String, String)>,
    manual_clock: bool,
}

impl Scripts {
    /// The scripts under the server's clock, or under the clock key of each lane.
    pub fn new(manual_clock: bool) -> Self {
        let clock = if manual_clock {
            MANUAL_CLOCK
        } else {
            SERVER_CLOCK
        };
        let loaded = FILES
            .iter()
            .map(|(_, file)| {
                let (shebang, body) = file.split_once('\n').unwrap_or((file, ""));
                let text = format!("{shebang}\n{clock}{PRELUDE}{body}");
                let digest = sha1_smol::Sha1::from(&text).digest().to_string();
                (digest, text)
            })
            .collect();
        Self {
            loaded,
            manual_clock,
        }
    }

    /// Whether the time is read from a key that tests set.
    pub const fn has_manual_clock(&self) -> bool {
        self.manual_clock
    }

    /// Starts a call; arguments are added to the command that is returned.
    pub fn command(&self, script: Script, keys: &[&str], clock: &str) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command
            .arg(&self.entry(script).0)
            .arg(keys.len() + usize::from(self.manual_clock));
        for key in keys {
            command.arg(key);
        }
        if self.manual_clock {
            command.arg(clock);
        }
        command
    }

    /// Runs a call that `command` began; a script that the server has forgotten is loaded once, in between.
    ///
    /// # Errors
    ///
    /// As of [`Link::call`].
    pub async fn run(
        &self,
        link: &Link,
        live: &Live,
        script: Script,
        command: &Cmd,
    ) -> Result<Value, QueueError> {
        let mut live = live.clone();
        let mut result = link.call(&live, command, REPLY_TIMEOUT).await;
        if script.may_run_twice() && matches!(&result, Err(CallError::Lost(_))) {
            live = link.live().await?;
            result = link.call(&live, command, REPLY_TIMEOUT).await;
        }
        match result {
            Ok(value) => Ok(value),
            Err(CallError::Lost(error) | CallError::Queue(error)) => Err(error),
            Err(CallError::NoScript) => {
                let mut load = redis::cmd("SCRIPT");
                load.arg("LOAD").arg(&self.entry(script).1);
                plain(link, &live, &load).await?;
                match link.call(&live, command, REPLY_TIMEOUT).await {
                    // Somebody has flushed the scripts in between: no second time, since the text goes with the call.
                    Err(CallError::NoScript) => {
                        plain(link, &live, &self.whole(script, command)).await
                    }
                    result => result.map_err(CallError::into_queue_error),
                }
            }
        }
    }

    /// The same call with the script's text instead of its digest.
    fn whole(&self, script: Script, command: &Cmd) -> Cmd {
        let mut whole = redis::cmd("EVAL");
        whole.arg(&self.entry(script).1);
        for argument in command.args_iter().skip(2) {
            if let redis::Arg::Simple(bytes) = argument {
                whole.arg(bytes);
            }
        }
        whole
    }

    fn entry(&self, script: Script) -> &(String, String) {
        &self.loaded[script as usize]
    }
}

async fn plain(link: &Link, live: &Live, command: &Cmd) -> Result<Value, QueueError> {
    link.call(live, command, REPLY_TIMEOUT)
        .await
        .map_err(CallError::into_queue_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_with_the_text_has_the_arguments_of_the_one_with_the_digest() {
        let scripts = Scripts::new(false);
        let mut command = scripts.command(Script::Rotate, &["a", "b"], "");
        command.arg(7);
        let whole = scripts.whole(Script::Rotate, &command);
        let packed = |command: &Cmd| -> Vec<Vec<u8>> {
            command
                .args_iter()
                .filter_map(|argument| match argument {
                    redis::Arg::Simple(bytes) => Some(bytes.to_vec()),
                    _ => None,
                })
                .collect()
        };
        assert_eq!(packed(&whole)[2..], packed(&command)[2..]);
        assert_eq!(packed(&whole)[0], b"EVAL");
        assert!(packed(&whole)[1].starts_with(b"#!lua"));
    }

    #[test]
    fn every_script_stands_at_its_own_place() {
        for (place, (script, text)) in FILES.iter().enumerate() {
            assert_eq!(*script as usize, place);
            assert!(text.starts_with("#!lua"), "{script:?} has no flags line");
            let reads = text.starts_with("#!lua flags=no-writes\n");
            assert_eq!(
                script.may_run_twice(),
                reads || matches!(script, Script::Beat | Script::Open),
                "{script:?}"
            );
        }
    }
}
