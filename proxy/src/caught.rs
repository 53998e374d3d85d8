//! Futures of filters, whose panics are their own affair.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

/// What `future` comes to; `None` where it panics. It is not polled again after that.
pub(crate) async fn caught<T>(mut future: Pin<Box<dyn Future<Output = T> + Send>>) -> Option<T> {
    poll_fn(move |cx| {
        // What a panic leaves behind is dropped with the future.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        match polled {
            Ok(poll) => poll.map(Some),
            Err(_) => {
                tracing::error!("the future of a filter panicked");
                Poll::Ready(None)
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_no_result() {
        let steps = || async { tokio::task::yield_now().await };
        let fine = Box::pin(async move {
            steps().await;
            7
        });
        assert_eq!(caught(fine).await, Some(7));
        let broken = Box::pin(async move {
            steps().await;
            panic!("as a filter may");
        });
        assert_eq!(caught::<u8>(broken).await, None);
    }
}
