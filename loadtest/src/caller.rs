use crate::hear::Sound;
use crate::{App, Config, Edge, Handset, Setup, Webhook, serving_with};

/// A telephone that has called an application and says `sound` every two seconds, again and again, so that one of them
/// falls into whatever is carried.
///
/// # Panics
///
/// When one of the three does not come up.
#[must_use]
pub fn calling(
    app: App,
    sound: &Sound,
    change: impl FnOnce(Config, &Webhook) -> Config,
) -> (Webhook, Edge, Handset) {
    let (hook, edge) = serving_with(app, change);
    let says = Sound::silence(8000, 1.5).then(&sound.clone().padded(2.0).times(12));
    let phone = Setup::new("alice")
        .saying(&says)
        .through(edge.public())
        .start();
    phone.calls("sip:bob@demo.test");
    (hook, edge, phone)
}
