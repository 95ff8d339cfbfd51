use super::*;

const P: [(&str, i32); 2] = [("a", 0), ("b", 3)];

fn partitions(some: &[(&str, i32)]) -> Partitions {
    let mut partitions = Partitions::new();
    for (topic, partition) in some {
        partitions.entry((*topic).to_owned()).or_default().insert(*partition);
    }
    partitions
}

/// A coordinator whose appends are durable at once.
struct Desk {
    coordinator: Coordinator,
    fresh: i64,
}

impl Desk {
    fn new() -> Self {
        Self { coordinator: Coordinator::new(TransactionConfig::default()), fresh: 1000 }
    }

    fn init(
        &mut self,
        now_ms: i64,
        expected: Option<ProducerIdAndEpoch>,
    ) -> Result<(ProducerIdAndEpoch, Option<Markers>), TransactionError> {
        let mut fresh = None;
        loop {
            match self.coordinator.init(now_ms, "t", 1_000, expected, fresh)? {
                Init::Answer(producer) => return Ok((producer, None)),
                Init::NeedsProducerId => {
                    fresh = Some(self.fresh);
                    self.fresh += 1;
                }
                Init::Append(transition) => {
                    self.coordinator.applied(now_ms, &transition, true);
                    let next = transition.next.expect("it is not forgotten");
                    return Ok(((next.producer_id, next.producer_epoch), transition.markers));
                }
            }
        }
    }

    fn add(&mut self, now_ms: i64, producer: ProducerIdAndEpoch, some: &[(&str, i32)]) -> Result<(), TransactionError> {
        if let Some(transition) = self.coordinator.add_partitions(now_ms, "t", producer, &partitions(some))? {
            self.coordinator.applied(now_ms, &transition, true);
        }
        Ok(())
    }

    fn end(&mut self, producer: ProducerIdAndEpoch, commit: bool) -> Result<Option<Markers>, TransactionError> {
        let Some(transition) = self.coordinator.end(0, "t", producer, commit)? else { return Ok(None) };
        self.coordinator.applied(0, &transition, true);
        Ok(transition.markers)
    }

    fn status(&self) -> TransactionStatus {
        self.coordinator.describe("t").expect("it is known").status
    }
}

#[test]
fn each_new_producer_of_an_id_gets_the_next_epoch_and_fences_the_one_before() {
    let mut desk = Desk::new();
    let (first, _) = desk.init(0, None).expect("new");
    let (second, _) = desk.init(0, None).expect("again");
    assert_eq!((first, second), ((1000, 0), (1000, 1)));
    assert_eq!(desk.add(0, first, &P), Err(TransactionError::ProducerFenced));
    assert_eq!(desk.end(first, true), Err(TransactionError::ProducerFenced));
    assert_eq!(desk.add(0, (77, 1), &P), Err(TransactionError::InvalidProducerIdMapping));
    assert_eq!(desk.add(0, second, &P), Ok(()));
}

#[test]
fn a_new_producer_aborts_the_open_transaction_of_the_one_before_under_its_own_epoch() {
    let mut desk = Desk::new();
    let (first, _) = desk.init(0, None).expect("new");
    desk.add(0, first, &P).expect("begun");
    let (second, markers) = desk.init(0, None).expect("again");
    let markers = markers.expect("something was open");
    assert_eq!((second, markers.epoch, markers.commit), ((1000, 1), 1, false));
    assert_eq!(markers.partitions, partitions(&P));
    assert_eq!(desk.status(), TransactionStatus::Empty);
}

#[test]
fn an_end_that_is_repeated_is_answered_and_the_other_end_is_refused() {
    let mut desk = Desk::new();
    let (producer, _) = desk.init(0, None).expect("new");
    assert_eq!(desk.end(producer, true), Err(TransactionError::InvalidTxnState));
    for commit in [true, false] {
        desk.add(0, producer, &P).expect("begun");
        assert!(desk.end(producer, commit).expect("open").is_some());
        assert_eq!(desk.end(producer, commit), Ok(None));
        assert_eq!(desk.end(producer, !commit), Err(TransactionError::InvalidTxnState));
    }
}

#[test]
fn while_an_append_is_under_way_the_id_takes_nothing_else_and_a_refused_one_leaves_all_as_it_was() {
    let mut desk = Desk::new();
    let (producer, _) = desk.init(0, None).expect("new");
    desk.add(0, producer, &P).expect("begun");
    let coordinator = &mut desk.coordinator;
    let ending = coordinator.end(0, "t", producer, true).expect("open").expect("an append");
    let busy = TransactionError::ConcurrentTransactions;
    assert_eq!(coordinator.end(0, "t", producer, true), Err(busy));
    assert_eq!(coordinator.add_partitions(0, "t", producer, &partitions(&P)), Err(busy));
    assert_eq!(coordinator.init(0, "t", 1_000, None, None), Err(busy));
    assert_eq!(coordinator.check_write(None, producer, "a", 0), Err(TransactionError::InvalidTxnState));
    coordinator.applied(0, &ending, false);
    assert_eq!(coordinator.check_write(None, producer, "a", 0), Ok(()));
    assert_eq!(desk.status(), TransactionStatus::Ongoing);
    assert!(desk.end(producer, true).expect("open").is_some());
}

#[test]
fn a_batch_is_taken_only_from_the_current_epoch_into_a_partition_that_was_added() {
    let mut desk = Desk::new();
    let (producer, _) = desk.init(0, None).expect("new");
    desk.add(0, producer, &P).expect("begun");
    let check = |id, producer, topic, partition| desk.coordinator.check_write(id, producer, topic, partition);
    assert_eq!(check(Some("t"), producer, "a", 0), Ok(()));
    assert_eq!(check(None, producer, "b", 3), Ok(()));
    assert_eq!(check(None, producer, "a", 1), Err(TransactionError::InvalidTxnState));
    assert_eq!(check(None, (1000, 1), "a", 0), Err(TransactionError::InvalidProducerEpoch));
    assert_eq!(check(None, (999, 0), "a", 0), Err(TransactionError::InvalidProducerIdMapping));
    assert_eq!(check(Some("other"), producer, "a", 0), Err(TransactionError::InvalidProducerIdMapping));
}

#[test]
fn a_transaction_that_times_out_is_aborted_under_a_new_epoch() {
    let mut desk = Desk::new();
    let (producer, _) = desk.init(0, None).expect("new");
    desk.add(50, producer, &P).expect("begun");
    desk.add(900, producer, &[("c", 0)]).expect("more does not make it longer");
    assert_eq!(desk.coordinator.next_deadline(), Some(1_050));
    assert!(desk.coordinator.tick(1_049).is_empty());
    let due = desk.coordinator.tick(1_050);
    assert_eq!(due.len(), 1);
    let markers = due[0].markers.as_ref().expect("markers");
    assert_eq!((markers.epoch, markers.commit, markers.partitions.len()), (1, false, 3));
    assert_eq!(
        desk.coordinator.check_write(None, producer, "a", 0),
        Err(TransactionError::InvalidProducerEpoch),
        "from the moment that the abort is handed over"
    );
    desk.coordinator.applied(1_050, &due[0], false);
    assert_eq!(desk.coordinator.next_deadline(), Some(1_050 + RETRY_MS), "a refused abort is tried again");
    let due = desk.coordinator.tick(1_050 + RETRY_MS);
    desk.coordinator.applied(3_000, &due[0], true);
    assert_eq!(desk.status(), TransactionStatus::CompleteAbort);
    assert_eq!(desk.end(producer, true), Err(TransactionError::ProducerFenced));
    assert_eq!(desk.init(0, Some(producer)).expect_err("KIP-360"), TransactionError::ProducerFenced);
}

#[test]
fn a_producer_that_recovers_gets_the_next_epoch_and_the_same_answer_when_it_asks_again() {
    let mut desk = Desk::new();
    let (first, _) = desk.init(0, None).expect("new");
    let (second, _) = desk.init(0, Some(first)).expect("it is the current one");
    assert_eq!(second, (1000, 1));
    assert_eq!(desk.init(0, Some(first)).expect("its answer was lost").0, second);
    let (third, _) = desk.init(0, None).expect("another producer");
    assert_eq!(desk.init(0, Some(second)).expect_err("fenced"), TransactionError::ProducerFenced);
    assert_eq!(third, (1000, 2));
}

#[test]
fn behind_the_last_epoch_comes_a_new_producer_id() {
    let mut desk = Desk::new();
    let (first, _) = desk.init(0, None).expect("new");
    let mut last = desk.coordinator.describe("t").expect("known").clone();
    last.producer_epoch = EPOCH_MAX;
    desk.coordinator.load("t", Some(last));
    let exhausted = (first.0, EPOCH_MAX);
    desk.add(0, exhausted, &P).expect("begun");
    let (next, markers) = desk.init(0, Some(exhausted)).expect("it is the current one");
    let markers = markers.expect("something was open");
    assert_eq!((next, markers.producer_id, markers.epoch), ((1001, 0), first.0, i16::MAX));
    assert_eq!(desk.init(0, Some(exhausted)).expect("its answer was lost").0, next);
    let unknown = desk.coordinator.check_write(None, exhausted, "a", 0);
    assert_eq!(unknown, Err(TransactionError::InvalidProducerIdMapping));
}

#[test]
fn an_id_that_is_not_used_for_a_week_is_forgotten() {
    let mut desk = Desk::new();
    desk.init(10, None).expect("new");
    let week = TransactionConfig::default().id_expiration_ms;
    assert_eq!(desk.coordinator.next_deadline(), Some(10 + week));
    let due = desk.coordinator.tick(10 + week);
    assert_eq!((due.len(), &due[0].next, &due[0].markers), (1, &None, &None));
    desk.coordinator.applied(10 + week, &due[0], true);
    assert_eq!(desk.coordinator.describe("t"), None);
    assert_eq!(desk.coordinator.next_deadline(), None);
}

#[test]
fn impossible_requests_are_refused() {
    let mut desk = Desk::new();
    let coordinator = &mut desk.coordinator;
    assert_eq!(coordinator.init(0, "", 1_000, None, None), Err(TransactionError::InvalidRequest));
    for timeout_ms in [0, -1, 900_001] {
        assert_eq!(coordinator.init(0, "t", timeout_ms, None, None), Err(TransactionError::InvalidTimeout));
    }
    assert_eq!(coordinator.end(0, "t", (1, 0), true), Err(TransactionError::InvalidProducerIdMapping));
}
