# The answers of the API. The texts in quotes in the contract are fixed.
reminder-sent = An email was sent to the user.
token-valid = The reset token is valid.
password-reset = The new password has been set.
password-updated = The new password has been set.
password-verified = The password is right.
session-created = The user is signed in.
user-created = The user has been created.
user-found = The user exists.
user-updated = The user has been changed.
user-deleted = The user has been deleted.
wrong-credentials = The email address or the password is wrong.
unknown-user = There is no such user.
user-exists = There is already a user with this email address.
wrong-user = The email address doesn't match a user.
wrong-token = The reset token is invalid.
wrong-password = The password is wrong.
invalid-request = The request is not valid.
invalid-field = This field is missing, repeated, of the wrong type, or not valid.
unauthorized = An access token is required.
invalid-dpop-proof = The proof of possession is missing, wrong or used up.
use-dpop-nonce = The proof of possession needs the nonce in the DPoP-Nonce header.
invalid-token = The access token is invalid, expired or revoked.
insufficient-scope = The access token does not carry the required scope.
not-found = There is nothing at this path.
method-not-allowed = This method is not allowed here.
request-timeout = The request took too long to arrive.
payload-too-large = The body is larger than 16 KiB.
unsupported-media-type = The content type must be application/json or application/x-www-form-urlencoded.
too-many-requests = Too many requests; come back later.
unavailable = The service is busy; come back later.
internal = Something went wrong on our side.

# The SWIFT contract. Its document has the first two in French.
swift-password-changed = The password has been changed successfully
swift-wrong-credentials = Oops! It seems that your credentials are incorrect
swift-missing-field = The field { $field } is required
swift-invalid-field = The field { $field } is not valid
swift-too-short = The new password must have at least { $least } characters
swift-weak-password = The new password is not safe enough
swift-mismatch = The new password and its confirmation do not match
swift-json-only = The content type must be application/json

# The mails.
reset-subject = Reset your password for { $service }
reset-title = Choose a new password
reset-intro = Someone asked for a new password for your account at { $service }.
reset-link = To choose a new password, open this link:
reset-button = Choose a new password
reset-expiry = The link works once, until { $until } UTC: that is { $minutes ->
    [one] one minute
   *[other] { $minutes } minutes
} from the moment this mail was sent.
reset-not-you = If this was not you, ignore this mail. Your password stays as it is.
changed-subject = Your password for { $service } was changed
changed-title = Your password was changed
changed-intro = The password of your account at { $service } was changed on { $at } UTC.
changed-you = If this was you, there is nothing to do.
changed-not-you = If it was not you, ask { $service } for help at once: someone else may be using your account.
email-changed-subject = Your email address for { $service } was changed
email-changed-title = Your email address was changed
email-changed-intro = Your account at { $service } was given another email address on { $at } UTC. Mails about it will not come to this address any more.
test-subject = A test mail from Unforget
test-title = It works
test-intro = This is a test. If you can read it, Unforget can send mail.

# The built-in page. What stands in braces as "wait", "until" and "address" is filled in by its script.
page-no-script = This page needs JavaScript. Switch it on for this page and open it again.
page-offline = The service cannot be reached. Check your connection and try again.
page-too-many = Too many attempts. Try again in { $wait }.
page-busy = The service is busy. Try again in { $wait }.
page-broken = Something went wrong on our side. Try again in a moment.
page-kept = What you typed is still here.
page-again = Try again
page-checking = Checking your link…
page-failed-title = We could not check your link
page-reset-title = Choose a new password
page-until = Your link works once, until { $until }.
page-account = Account
page-password = New password
page-hint = At least { $min ->
    [one] one character
   *[other] { $min } characters
}. A few unrelated words make a good one.
page-confirmation = The same password again
page-show = Show passwords
page-save = Set new password
page-done-title = Your new password is set
page-done = You can close this page now and sign in with your new password.
page-dead-title = This link no longer works
page-dead = A link works only once, and only for a short time. If you have just chosen a new password, try to sign in with it.
page-ask-again = Ask for a new link
page-ask-app = For a new link, go back to the app and say once more that you forgot your password.
page-missing-title = Open the link in your mail
page-missing = This page works with the link that was mailed to you. If you were here before, open the link once more.
page-wrong-password = This password cannot be used. Choose another one.
page-too-short = The password is too short: it needs at least { $min ->
    [one] one character
   *[other] { $min } characters
}.
page-too-long = The password is too long: it may have at most { $max } characters.
page-common = This password is one of those that others guess first. Choose another one.
page-breached = This password has appeared in a data leak. Choose another one.
page-context = The password contains a part of your address or the name of the service. Choose another one.
page-mismatch = The two passwords are not the same. Type the same one in both fields.
page-forbidden-character = The password contains a character that cannot be used.
page-forgot-title = Forgot your password?
page-forgot = Type the email address of your account. You will get a link to choose a new password.
page-email = Email address
page-send = Send me a link
page-sent-title = Look into your mailbox
page-sent = If there is an account for { $address }, a mail with a link is on its way.
page-sent-late = It can take a few minutes. If you cannot find it, look among the unwanted mail too.
page-wrong-address = This is not a complete email address. Check it for typing errors.
