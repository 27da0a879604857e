//! Labels behind a gateway that works in order, loses, forgets and resets: whatever happens, no label is
//! ever confirmed to show what it does not, and every label ends with what it should show.

use super::*;

/// A label as it is, not as it is told.
#[derive(Clone, Default)]
struct Glass {
    pages: [Option<u8>; 2],
    /// Which of them somebody else wrote last.
    foreign: [bool; 2],
    shown: Option<u8>,
}

struct World {
    now: i64,
    delivery: Delivery,
    /// Sent, and not yet done by the label.
    gateway: VecDeque<(Step, u64)>,
    glass: Glass,
    /// What is told, on its way to this program.
    told: VecDeque<Input>,
    /// The newest record and pages of the journal.
    record: Option<Record>,
    pages: Pages,
    desired: u8,
    next: Option<u8>,
    sent: usize,
    next_task: u64,
    /// Whether the label said something of itself that was lost, and that was not made good yet.
    is_unheard: bool,
}

#[derive(Clone, Debug)]
enum Event {
    Desire(u8),
    Next(Option<u8>),
    /// What was announced becomes due.
    Turn,
    Find,
    Works,
    /// The gateway tells of a failure; whether the label did it nevertheless.
    Fails(Trouble, bool),
    Forgets,
    /// The gateway: what it had is gone.
    Restarts,
    /// The label: what it had is gone, and it says so.
    Resets,
    /// Somebody else writes, and the label tells of it.
    Foreign(u8),
    ToldArrives,
    ToldLost,
    ProgramRestarts,
    TimePasses(i64),
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: 0,
            delivery: Delivery::new(1, true),
            gateway: VecDeque::new(),
            glass: Glass::default(),
            told: VecDeque::new(),
            record: None,
            pages: Pages::default(),
            desired: 1,
            next: None,
            sent: 0,
            next_task: 1,
            is_unheard: false,
        };
        world.take(desired(1, 1));
        world
    }

    fn take(&mut self, input: Input) {
        let is_report = matches!(input, Input::Done { .. });
        let outputs = self.delivery.step(now(self.now), input);
        for output in &outputs {
            match output {
                Output::Record(record) => self.record = Some(record.clone()),
                Output::Pages { pages, .. } => self.pages = *pages,
                Output::Send { step, task, .. } => {
                    if let Step::Show { image, .. } | Step::Flip { image, .. } = step {
                        assert_eq!(image[0], self.desired, "only what is desired is shown");
                        self.sent += 1;
                    }
                    self.gateway.push_back((*step, *task));
                    self.next_task = task + 1;
                }
            }
        }
        // What is said of the label at this moment. A reset or foreign writing that has happened and is
        // still to be told of is not known yet: those may make it untrue, nothing else.
        // Until it shows what it should, and there is no page left to turn to that somebody else wrote.
        let is_good = self.glass.shown == Some(self.desired)
            && (self.pages.kept.is_none() || self.glass.foreign == [false; 2]);
        self.is_unheard &= !is_good;
        let is_blind = self.is_unheard
            || self.told.iter().any(|told| matches!(told, Input::Reset { .. } | Input::Unasked { .. }));
        if is_report
            && !is_blind
            && let State::Shown(_) = self.delivery.state(LABEL)
        {
            assert_eq!(self.glass.shown, Some(self.desired), "confirmed, and not shown");
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Desire(n) => {
                self.desired = n;
                self.take(desired(n, 1));
            }
            Event::Next(n) => {
                self.next = n;
                self.take(Input::Next { label: LABEL.into(), image: n.map(image) });
            }
            Event::Turn => {
                if let Some(n) = self.next {
                    self.happen(Event::Next(None));
                    self.happen(Event::Desire(n));
                }
            }
            Event::Find => self.take(Input::Find { label: LABEL.into() }),
            Event::Works => {
                if let Some((step, task)) = self.gateway.pop_front() {
                    let is_done = self.glass.obey(step);
                    self.told.push_back(if is_done {
                        shown(task)
                    } else {
                        failed_by(task, Trouble::Display)
                    });
                }
            }
            Event::Fails(trouble, is_done) => {
                if let Some((step, task)) = self.gateway.pop_front() {
                    if is_done {
                        self.glass.obey(step);
                    }
                    self.told.push_back(failed_by(task, trouble));
                }
            }
            Event::Forgets => drop(self.gateway.pop_front()),
            Event::Restarts => {
                self.gateway.clear();
                self.take(Input::GatewayRestarted);
            }
            Event::Resets => {
                self.glass = Glass::default();
                self.told.push_back(Input::Reset { label: LABEL.into() });
            }
            Event::Foreign(n) => {
                self.glass = Glass { pages: [Some(n); 2], foreign: [true; 2], shown: Some(n) };
                self.told.push_back(Input::Unasked { label: LABEL.into() });
            }
            Event::ToldArrives => {
                if let Some(told) = self.told.pop_front() {
                    self.take(told);
                }
            }
            Event::ToldLost => {
                let lost = self.told.pop_front();
                self.is_unheard |= matches!(lost, Some(Input::Reset { .. } | Input::Unasked { .. }));
            }
            Event::ProgramRestarts => {
                self.delivery = Delivery::new(self.next_task, true);
                self.is_unheard |=
                    self.told.iter().any(|told| matches!(told, Input::Reset { .. } | Input::Unasked { .. }));
                self.told.clear();
                if let Some(record) = self.record.clone() {
                    self.take(Input::Restore {
                        label: LABEL.into(),
                        image: record.image,
                        proof: record.result.ok(),
                        batch: record.price.batch,
                        pages: self.pages,
                        told: Told::default(),
                    });
                }
                self.take(desired(self.desired, 1));
                self.happen(Event::Next(self.next));
            }
            Event::TimePasses(ms) => {
                self.now += ms;
                self.take(Input::Tick);
            }
        }
    }

    /// Gateway and label work from here on.
    fn settle(&mut self) {
        self.take(Input::Unheard);
        for _ in 0..40 {
            while !self.gateway.is_empty() || !self.told.is_empty() {
                self.happen(Event::Works);
                self.happen(Event::ToldArrives);
            }
            self.happen(Event::TimePasses(RESULT_WITHIN.0));
        }
        assert!(self.gateway.is_empty(), "does not settle");
    }
}

impl Glass {
    fn write(&mut self, page: u8, image: u8) {
        (self.pages[usize::from(page)], self.foreign[usize::from(page)]) = (Some(image), false);
    }

    fn obey(&mut self, step: Step) -> bool {
        match step {
            Step::Show { page, image } => {
                self.write(page, image[0]);
                self.shown = Some(image[0]);
            }
            Step::Store { page, image } => self.write(page, image[0]),
            Step::Flip { page, .. } => match self.pages[usize::from(page)] {
                None => return false,
                shown => self.shown = shown,
            },
            Step::Blink => {}
        }
        true
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let troubles =
        [Trouble::NoAnswer, Trouble::WrongKey, Trouble::Display, Trouble::Invalid, Trouble::NoResult];
    let event = prop_oneof![
        2 => (1..4u8).prop_map(Event::Desire),
        3 => proptest::option::of(1..4u8).prop_map(Event::Next),
        2 => Just(Event::Turn),
        1 => Just(Event::Find),
        6 => Just(Event::Works),
        1 => (proptest::sample::select(troubles.to_vec()), any::<bool>())
            .prop_map(|(trouble, is_done)| Event::Fails(trouble, is_done)),
        1 => Just(Event::Forgets),
        1 => Just(Event::Restarts),
        1 => Just(Event::Resets),
        1 => (5..7u8).prop_map(Event::Foreign),
        6 => Just(Event::ToldArrives),
        1 => Just(Event::ToldLost),
        1 => Just(Event::ProgramRestarts),
        2 => (0..7_200_000i64).prop_map(Event::TimePasses),
    ];
    proptest::collection::vec(event, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn whatever_happens_the_label_ends_with_the_desired_image(events in events()) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
        world.settle();
        prop_assert_eq!(world.glass.shown, Some(world.desired));
        prop_assert_eq!(world.delivery.state(LABEL), State::Shown(Proof::Refreshed));
        let last = world.record.clone().expect("recorded");
        prop_assert_eq!((last.image, last.result), (image(world.desired), Ok(Proof::Refreshed)));
        if let Some(next) = world.next.filter(|next| *next != world.desired) {
            prop_assert!(world.delivery.is_ready(LABEL));
            prop_assert!(world.glass.pages.contains(&Some(next)));
        }

        let sent = world.sent;
        world.happen(Event::Desire(world.desired));
        world.happen(Event::ProgramRestarts);
        world.happen(Event::Restarts);
        prop_assert_eq!(world.sent, sent, "what is confirmed is not refreshed again");
    }
}
