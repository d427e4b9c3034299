//! The ring: nodes, each at many points, as many as it has capacity.

use types::DatanodeId;

use crate::ClusterView;

/// All points, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Points {
    /// Of what it was built.
    seal: u64,
    /// (where, which node by its place among the members).
    points: Vec<(u64, u32)>,
    members: Vec<DatanodeId>,
}

/// Who is on a ring, and with how many points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shares {
    shares: Vec<(DatanodeId, u32)>,
    seal: u64,
}

impl Shares {
    /// Every member of which the capacity is known, also one that can not be reached now: its place stays. A node of mean
    /// capacity has `points` of them.
    pub(super) fn of(view: &ClusterView, points: u32) -> Self {
        let capacities: Vec<_> = view
            .nodes()
            .map(|node| {
                let capacity = node.storages.iter().map(|storage| storage.reported.capacity);
                (node.id, capacity.fold(0, u64::saturating_add))
            })
            .filter(|(_, capacity)| *capacity > 0)
            .collect();
        let total: u128 = capacities.iter().map(|(_, capacity)| u128::from(*capacity)).sum();
        let count = capacities.len() as u128;
        let mut seal = 0;
        let shares = capacities.into_iter().map(|(id, capacity)| {
            // Rounded to the nearest.
            let exact = u128::from(capacity) * u128::from(points) * count * 2 / total.max(1);
            let share = u32::try_from(exact.div_ceil(2)).unwrap_or(u32::MAX).max(1);
            seal = mix(seal ^ start(id) ^ u64::from(share));
            (id, share)
        });
        let shares = shares.collect();
        Self { shares, seal }
    }
}

impl Points {
    pub(super) fn is_of(&self, shares: &Shares) -> bool {
        self.seal == shares.seal && self.members.len() == shares.shares.len()
    }

    pub(super) fn new(shares: &Shares) -> Self {
        let mut points = Vec::new();
        for (place, (id, share)) in (0..).zip(&shares.shares) {
            // The first points of a node stay where they are when it gets more or fewer.
            let start = start(*id);
            points.extend((0..u64::from(*share)).map(|nth| (mix(start ^ mix(nth)), place)));
        }
        points.sort_unstable();
        Self {
            seal: shares.seal,
            points,
            members: shares.shares.iter().map(|(id, _)| *id).collect(),
        }
    }

    /// Members as they come, from where `key` is, once around; each as often as it has points.
    pub(super) fn behind(&self, key: u64) -> impl Iterator<Item = DatanodeId> + '_ {
        let key = mix(key);
        let start = self.points.partition_point(|(at, _)| *at < key);
        let (before, behind) = self.points.split_at(start);
        let around = behind.iter().chain(before);
        around.filter_map(|(_, place)| self.members.get(usize::try_from(*place).ok()?).copied())
    }
}

/// Where the points of a node begin.
fn start(id: DatanodeId) -> u64 {
    let (high, low) = id.0.as_u64_pair();
    mix(high ^ mix(low))
}

/// The finalizer of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
pub(super) const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
