//! What a demonstration has to show.

/// One thing that has to happen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Step {
    EmptyOverlay,
    Deferral,
    Effect,
    Suspension,
    Override,
    OthersFlow,
    End,
    Ramp,
    FewerDeferrals,
}

impl Step {
    const ALL: [Self; 9] = [
        Self::EmptyOverlay,
        Self::Deferral,
        Self::Effect,
        Self::Suspension,
        Self::Override,
        Self::OthersFlow,
        Self::End,
        Self::Ramp,
        Self::FewerDeferrals,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::EmptyOverlay => "empty overlay",
            Self::Deferral => "deferral",
            Self::Effect => "effect",
            Self::Suspension => "suspension in force",
            Self::Override => "override in force",
            Self::OthersFlow => "other paths flow on",
            Self::End => "end of the suspension",
            Self::Ramp => "ramp",
            Self::FewerDeferrals => "fewer deferrals",
        }
    }
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(super) struct Steps(std::collections::BTreeSet<Step>);

impl Steps {
    /// Notes that something happened; true the first time.
    pub(super) fn reach(&mut self, step: Step) -> bool {
        self.0.insert(step)
    }

    /// The names of what has happened.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|step| step.name()).collect()
    }

    /// The names of what has not happened.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        Step::ALL.into_iter().filter(|step| !self.0.contains(step)).map(Step::name).collect()
    }
}
