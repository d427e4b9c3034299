use super::*;

/// A chunk of which three copies are wanted, in a cluster of two racks.
fn facts() -> Facts {
    Facts {
        wanted: 3,
        committed: true,
        serving: 3,
        racks: 2,
        serving_racks: 2,
        ..Facts::default()
    }
}

fn class_of(facts: Facts) -> Class {
    classify(&facts).class
}

#[test]
fn codes_are_there_and_back_and_in_order() {
    for (code, class) in (0u8..).zip(Class::ALL) {
        assert_eq!(class.code(), code);
        for corrupt in [false, true] {
            let condition = Condition { class, corrupt };
            assert_eq!(Condition::of(condition.code()), condition);
            assert!(usize::from(condition.code()) < CODES);
        }
    }
    assert!(Class::ALL.is_sorted(), "the worst first");
    assert_eq!(Class::ALL[15], Class::Healthy);
}

#[test]
fn the_table_of_classes() {
    let left = |left| Class::AtRisk { left };
    let cases = [
        (facts(), Class::Healthy),
        (
            Facts {
                committed: false,
                serving: 0,
                ..facts()
            },
            Class::BeingWritten,
        ),
        (
            Facts {
                serving: 0,
                ..facts()
            },
            Class::Lost,
        ),
        (
            Facts {
                serving: 0,
                corrupt: 3,
                ..facts()
            },
            Class::Lost,
        ),
        (
            Facts {
                serving: 0,
                gone: 1,
                ..facts()
            },
            Class::Unavailable,
        ),
        (
            Facts {
                serving: 0,
                silent: 3,
                ..facts()
            },
            Class::Unavailable,
        ),
        (
            Facts {
                serving: 0,
                away: 3,
                ..facts()
            },
            Class::Unavailable,
        ),
        (
            Facts {
                serving: 0,
                unheard: true,
                ..facts()
            },
            Class::Unavailable,
        ),
        (
            Facts {
                serving: 1,
                gone: 2,
                ..facts()
            },
            left(1),
        ),
        (
            Facts {
                serving: 2,
                gone: 1,
                ..facts()
            },
            left(2),
        ),
        (
            Facts {
                serving: 2,
                silent: 1,
                ..facts()
            },
            left(2),
        ),
        (
            Facts {
                serving: 2,
                corrupt: 1,
                ..facts()
            },
            left(2),
        ),
        (
            Facts {
                serving: 1,
                draining: 1,
                ..facts()
            },
            left(2),
        ),
        (
            Facts {
                wanted: 20,
                serving: 12,
                ..facts()
            },
            left(LEFT_MAX),
        ),
        (
            Facts {
                corrupt: 1,
                ..facts()
            },
            Class::Corrupt,
        ),
        (
            Facts {
                serving: 2,
                draining: 1,
                ..facts()
            },
            Class::Draining,
        ),
        (
            Facts {
                serving: 0,
                draining: 3,
                ..facts()
            },
            Class::Draining,
        ),
        (
            Facts {
                serving: 0,
                maintenance: 3,
                ..facts()
            },
            Class::Draining,
        ),
        (
            Facts {
                serving: 2,
                away: 1,
                ..facts()
            },
            Class::Healthy,
        ),
        (
            Facts {
                serving: 2,
                maintenance: 1,
                ..facts()
            },
            Class::Healthy,
        ),
        (Facts { racks: 1, ..facts() }, Class::Misplaced),
        (
            Facts {
                racks: 1,
                serving_racks: 1,
                ..facts()
            },
            Class::Healthy,
        ),
        (
            Facts {
                wanted: 1,
                serving: 1,
                racks: 1,
                ..facts()
            },
            Class::Healthy,
        ),
        (
            Facts {
                serving: 4,
                ..facts()
            },
            Class::Surplus,
        ),
        (
            Facts {
                useless: 1,
                ..facts()
            },
            Class::Surplus,
        ),
        (
            Facts {
                serving: 3,
                draining: 1,
                ..facts()
            },
            Class::Healthy,
        ),
        (
            Facts {
                serving: 3,
                gone: 1,
                ..facts()
            },
            Class::Healthy,
        ),
    ];
    for (facts, class) in cases {
        assert_eq!(class_of(facts), class, "{facts:?}");
    }
    assert!(
        classify(&Facts {
            serving: 0,
            corrupt: 1,
            ..facts()
        })
        .corrupt
    );
}

#[test]
fn what_is_to_be_copied() {
    let cases = [
        (facts(), 0),
        (
            Facts {
                serving: 1,
                ..facts()
            },
            2,
        ),
        (
            Facts {
                serving: 1,
                silent: 2,
                ..facts()
            },
            0,
        ),
        (
            Facts {
                serving: 2,
                away: 1,
                ..facts()
            },
            0,
        ),
        (
            Facts {
                serving: 2,
                draining: 1,
                ..facts()
            },
            1,
        ),
        (
            Facts {
                serving: 0,
                draining: 3,
                ..facts()
            },
            3,
        ),
        (
            Facts {
                serving: 0,
                maintenance: 3,
                ..facts()
            },
            1,
        ),
        (
            Facts {
                serving: 5,
                ..facts()
            },
            0,
        ),
    ];
    for (facts, copies) in cases {
        assert_eq!(facts.needed(), copies, "{facts:?}");
    }
}
