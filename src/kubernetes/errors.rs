//! What an error of the API server means. Pure.

/// The cause that Kubernetes gives when something is to be made in a namespace that is being deleted.
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";

/// The API server's own words, on one line; never the body of an object.
#[must_use]
pub fn brief(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.message.is_empty() => format!("{} ({})", status.reason, status.code),
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}

/// Somebody else was faster, so that looking again soon is all it takes.
#[must_use]
pub fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409) && !is_denied(error)
}

/// What was asked for is not there.
#[must_use]
pub fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// The namespace is being deleted: everything in it goes, and nothing more can be made.
#[must_use]
pub fn is_namespace_terminating(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    status.code == 403 && causes.iter().any(|cause| cause.reason == NAMESPACE_TERMINATING)
}

/// A namespace is a moment younger than the account that its Pods run as by default, and so is the API server's knowledge of the account
/// that Creel has made for a gateway. Any other account is of the user, who may have misspelt it.
fn is_account_to_come(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let account = status.message.split_once("error looking up service account ").map(|(_, account)| account);
    let account = account.and_then(|account| account.split(':').next());
    account.is_some_and(|account| account.ends_with("/default") || account.ends_with("-gateway"))
}

/// An admission webhook that was asked said no; with which code is up to it.
fn is_denied(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status)
        if status.message.contains("admission webhook \"") && status.message.contains("\" denied the request"))
}

/// The API server refuses the object as it is (invalid, over quota, not allowed), so that the same again is no help.
#[must_use]
pub fn is_refusal(error: &kube::Error) -> bool {
    (matches!(error, kube::Error::Api(status) if matches!(status.code, 403 | 422)) || is_denied(error))
        && !is_namespace_terminating(error)
        && !is_account_to_come(error)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn error(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(Box::new(Status { code, message: message.to_owned(), ..Status::default() }))
    }

    #[test]
    fn a_webhook_refuses_with_any_code() {
        for code in [400, 403, 409, 422, 500] {
            let denied = error(code, "admission webhook \"policy.example\" denied the request: no team label");
            assert!(is_refusal(&denied) && !is_conflict(&denied), "{code}");
        }
    }

    #[test]
    fn a_webhook_that_does_not_answer_refuses_nothing() {
        let failed = "Internal error occurred: failed calling webhook \"policy.example\": context deadline exceeded";
        assert!(!is_refusal(&error(500, failed)));
        assert!(!is_refusal(&error(400, "the request is malformed")));
        assert!(is_conflict(&error(409, "the object has been modified")));
    }
}
