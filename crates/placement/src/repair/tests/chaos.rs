//! Nodes that die, come back, are wiped and rot, in any order: what is destroyed is always covered (the world checks), and
//! in the end everything that has a good replica left has all of its copies.

use super::world::{MIB, World, secs};
use crate::Admin;

fn chaos(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut world = World::in_racks(&["/a", "/a", "/b", "/b", "/c", "/c"]);
    let chunks = 24;
    for n in 0..chunks {
        let first = rng.usize(..6);
        world.write(n, 8 * MIB, &[first, (first + 1) % 6, (first + 2) % 6]);
    }
    let mut dead = [false; 6];
    for _ in 0..40 {
        let node = rng.usize(..6);
        match rng.u32(..9) {
            0 | 1 if dead.iter().filter(|dead| **dead).count() < 2 => {
                world.kill(node);
                dead[node] = true;
            }
            2..=4 => {
                if let Some(node) = dead.iter().position(|dead| *dead) {
                    world.revive(node);
                    dead[node] = false;
                }
            }
            5 => {
                let of = rng.u64(..chunks);
                if world.good(of).len() > 2 {
                    world.rot(node, of);
                    world.find_rot(node, of);
                }
            }
            6 => world.want(rng.u64(..chunks), rng.usize(1..5)),
            7 => world.admin(node, Admin::Decommissioning),
            _ => world.admin(node, Admin::InService),
        }
        world.run(secs(rng.u64(1..30)));
    }
    for (node, dead) in dead.into_iter().enumerate() {
        world.admin(node, Admin::InService);
        if dead {
            world.revive(node);
        }
    }
    let bad: Vec<_> = (0..chunks).filter(|n| world.good(*n).is_empty()).collect();
    for n in &bad {
        world.remove_file(*n);
    }
    world.run_until_healthy(secs(1_200));
    world.run(secs(20));
    for n in (0..chunks).filter(|n| !bad.contains(n)) {
        assert_eq!(world.good(n).len(), world.wanted(n), "chunk {n}, seed {seed}");
    }
    assert!(bad.len() < 12, "seed {seed} leaves something to look at");
}

#[test]
fn whatever_happens_it_heals_and_destroys_nothing_that_is_needed() {
    for seed in 0..24 {
        chaos(seed);
    }
}
