//! Carries out plans on the host.
