use super::*;

fn id(n: u8) -> DatanodeId {
    DatanodeId::from_random_bytes([n; 16])
}

/// Node `n` in a rack, so full.
fn spot(n: u8, rack: u32, used: f64) -> Spot {
    Spot {
        node: id(n),
        rack,
        is_slow: false,
        used,
        is_bound: false,
    }
}

#[test]
fn the_fullest_goes_where_all_are_in_one_rack() {
    let spots = [spot(1, 0, 0.2), spot(2, 0, 0.9), spot(3, 0, 0.5), spot(4, 0, 0.6)];
    assert_eq!(choose(&spots, 3), [id(2)]);
    assert_eq!(choose(&spots, 2), [id(2), id(4)]);
    assert_eq!(choose(&spots, 4), []);
}

#[test]
fn a_slow_one_goes_before_a_full_one() {
    let slow = Spot {
        is_slow: true,
        ..spot(1, 0, 0.1)
    };
    assert_eq!(choose(&[slow, spot(2, 0, 0.9), spot(3, 0, 0.5)], 2), [id(1)]);
}

#[test]
fn the_only_one_of_a_rack_stays_while_another_rack_has_two() {
    let spots = [spot(1, 0, 0.2), spot(2, 0, 0.3), spot(3, 1, 0.9)];
    assert_eq!(choose(&spots, 2), [id(2)]);
    assert_eq!(choose(&spots, 1), [id(2), id(3)], "one copy has one rack");
}

#[test]
fn of_three_racks_one_may_go() {
    let spots = [spot(1, 0, 0.2), spot(2, 1, 0.3), spot(3, 2, 0.9)];
    assert_eq!(choose(&spots, 2), [id(3)]);
}

#[test]
fn one_that_is_bound_stays_even_if_too_many_are_left() {
    let bound = |spot| Spot {
        is_bound: true,
        ..spot
    };
    let spots = [bound(spot(1, 0, 0.2)), bound(spot(2, 0, 0.9)), spot(3, 1, 0.5)];
    assert_eq!(choose(&spots, 2), [], "it is the only one of its rack");
    assert_eq!(choose(&spots, 1), [id(3)]);
}
