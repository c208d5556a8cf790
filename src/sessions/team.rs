//! The sessions of a load together: started, told, heard, and ended whatever happens.

use std::time::{Duration, Instant};

use super::blocked;
use super::eligible::Plan;
use super::leader::Work;
use super::member::{LOOK, Member, State};
use super::message::ToSession;
use crate::pg::queue::{self, Segment};
use crate::pg::{background, interrupt, lock, spi, transaction};
use crate::report::Failure;

/// How long workers have to end once they are asked to. They do at once but for what cannot be interrupted.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the load has to be written in the caller's session after all. Nothing has been written.
pub enum Alone {
    Reason(String),
    Failure(Box<Failure>),
}

impl From<Failure> for Alone {
    fn from(failure: Failure) -> Self {
        Alone::Failure(Box::new(failure))
    }
}

/// The sessions of a load.
pub struct Team {
    segment: Segment,
    pub members: Vec<Member>,
    /// When a session last said something.
    heard: Instant,
}

impl Team {
    /// Starts the sessions; as many as the server has room for.
    pub fn start(plan: &Plan, title: &str) -> Result<Self, String> {
        let Some(segment) = Segment::create(plan.sessions) else {
            return Err("no shared memory segment is free".into());
        };
        segment.on_detach(background::leader_gone);
        let mut members = vec![];
        for session in 0..plan.sessions {
            let title = format!("pg_opus: {title} session {} of {}", session + 1, plan.sessions);
            let Some(member) = Member::start(&segment, session, &title) else { break };
            members.push(member);
        }
        let team = Team { segment, members, heard: Instant::now() };
        // One worker beside an idle leader gains nothing.
        let fewest = if plan.named { 1 } else { 2 };
        if team.members.len() < fewest {
            team.end();
            return Err("no background worker is free".into());
        }
        Ok(team)
    }

    pub fn size(&self) -> usize {
        self.members.len()
    }

    pub fn tell_all(&mut self, message: &ToSession) {
        for member in &mut self.members {
            member.tell(message);
        }
    }

    pub fn hear_all(
        &mut self,
        work: &mut Work<'_, '_>,
        reached: impl Fn(&State) -> bool,
    ) -> Result<(), Alone> {
        self.hear_until(work, |members| members.iter().all(|member| reached(&member.state)))
    }

    /// Until it has come to what the members are wanted to be.
    pub fn hear_until(
        &mut self,
        work: &mut Work<'_, '_>,
        reached: impl Fn(&[Member]) -> bool,
    ) -> Result<(), Alone> {
        loop {
            let mut moved = false;
            for member in &mut self.members {
                moved |= member.push()?;
            }
            moved |= self.hear(work)?;
            if reached(&self.members) {
                return Ok(());
            }
            if !moved {
                self.rest()?;
            }
        }
    }

    /// The same of one member, whatever becomes of the others.
    pub fn hear_one(
        &mut self,
        work: &mut Work<'_, '_>,
        session: usize,
        reached: impl Fn(&[Member]) -> bool,
    ) -> Result<(), Alone> {
        while !reached(&self.members) {
            let member = &mut self.members[session];
            if !(member.push()? | member.hear(work)?) {
                queue::wait(LOOK);
            }
        }
        Ok(())
    }

    /// Takes what the sessions say; whether any did.
    pub fn hear(&mut self, work: &mut Work<'_, '_>) -> Result<bool, Alone> {
        let mut heard = false;
        for member in &mut self.members {
            heard |= member.hear(work)?;
        }
        if heard {
            self.heard = Instant::now();
        }
        Ok(heard)
    }

    /// Nothing is to be done just now.
    pub fn rest(&mut self) -> Result<(), Alone> {
        interrupt::check();
        queue::wait(LOOK);
        if self.heard.elapsed() >= lock::deadlock_timeout() {
            self.heard = Instant::now();
            self.look_for_deadlock()?;
        }
        Ok(())
    }

    /// A session that waits, through whomever, for another of this load: that one holds its locks until all have
    /// written. So do the sessions of other loads, each for all of its own.
    fn look_for_deadlock(&self) -> Result<(), Alone> {
        let (loads, extending) = spi::connect(|spi| {
            let loads = |row: &spi::Row| (row.get::<Vec<i32>>(1), row.get::<Vec<i64>>(2));
            let extending = |row: &spi::Row| row.get::<Vec<i32>>(1);
            (spi.row(lock::LOADS, loads), spi.row(lock::EXTENDING, extending))
        });
        let extending = extending.flatten().unwrap_or_default();
        let (pids, numbers) = loads.unwrap_or_default();
        let loads: Vec<(i32, i64)> =
            pids.unwrap_or_default().into_iter().zip(numbers.unwrap_or_default()).collect();
        let own: Vec<i32> = self.members.iter().filter_map(|member| member.worker.pid()).collect();
        let waited_for = |pid: i32| {
            let mut blockers = if extending.contains(&pid) { vec![] } else { lock::blockers(pid) };
            if !own.contains(&pid) {
                let load = loads.iter().find(|(member, _)| *member == pid).map(|(_, load)| load);
                let members = loads.iter().filter(|(_, other)| Some(other) == load);
                blockers.extend(members.map(|(member, _)| *member));
            }
            blockers
        };
        // One that has nothing to do waits for nobody.
        for member in &self.members {
            let Some(pid) = member.worker.pid() else { continue };
            let others = own.iter().copied().filter(|other| *other != pid);
            let stuck: Vec<i32> = others.chain([background::own_pid()]).collect();
            if let Some(path) = blocked::path(pid, &stuck, waited_for) {
                return Err(Failure::deadlock(member.session + 1, &path).into());
            }
        }
        Ok(())
    }

    /// Ends all sessions without a commit, and waits until they have ended; whether they have.
    pub fn abort(mut self) -> bool {
        transaction::hold_interrupts();
        for member in &mut self.members {
            // One that has prepared is deaf to signals.
            member.pending = None;
            member.tell(&ToSession::Rollback);
        }
        background::terminate_all();
        let ended = self.wait_for_end();
        transaction::allow_interrupts();
        ended
    }

    /// The sessions have done their work, or have none.
    pub fn end(self) {
        if !self.members.iter().all(|member| matches!(member.state, State::Committed)) {
            background::terminate_all();
        }
        self.wait_for_end();
    }

    fn wait_for_end(self) -> bool {
        let start = Instant::now();
        let ended = |member: &Member| member.worker.has_stopped();
        let all_ended = || self.members.iter().all(ended);
        while !all_ended() && start.elapsed() < PATIENCE {
            queue::wait(Duration::from_millis(10));
        }
        let all_ended = all_ended();
        background::forget_all();
        self.segment.detach();
        all_ended
    }
}
