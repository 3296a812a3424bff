//! A mailbox that is served.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sslcache::mailbox::{AgentEnd, Hearing, News, Reply, Serving, Slot};

use super::Before;
use super::space::Space;

/// A mailbox, and the namespace of its processes.
pub struct Member {
    pub space: Rc<Space>,
    end: Arc<AgentEnd>,
    hearing: Arc<Hearing>,
}

impl Member {
    /// A mailbox whose processes have this of the fleet already.
    pub fn new(
        space: Rc<Space>,
        end: Arc<AgentEnd>,
        hearing: Arc<Hearing>,
        before: Before,
    ) -> Self {
        let member = Self {
            space,
            end,
            hearing,
        };
        let has_all = match before {
            Before::Nothing => true,
            Before::Same => member.space.is_as_told.get(),
            Before::Other => false,
        };
        if !has_all {
            member.tell(&News::Lost);
        }
        member
    }

    /// Tells its processes news.
    pub fn tell(&self, news: &News) {
        // What is told may come from tasks of earlier settings, too, one after the other.
        self.end.tell_news(self.end.latest_news(), news);
    }

    /// Tells its processes whether they may ask. `rests`: for how long they need not.
    pub fn serve(&self, early_data: bool, rests: Option<Duration>) {
        let sessions = self.space.is_current.get();
        self.end.serve(Serving {
            sessions,
            early_data: sessions && early_data,
            rests: rests.unwrap_or_default(),
        });
    }

    /// The ear of the mailbox.
    pub fn hearing(&self) -> Arc<Hearing> {
        self.hearing.clone()
    }

    /// Answers a question.
    pub fn answer(&self, slot: Slot, record: Option<&[u8]>) {
        match record {
            Some(record) => self.hearing.answer(slot, Reply::Found, record),
            None => self.hearing.answer(slot, Reply::None, &[]),
        }
    }
}
