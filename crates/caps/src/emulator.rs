//! Emulators: the probe and what follows from its answers.
