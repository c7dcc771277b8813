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
invalid-field = This field is missing, repeated, or of the wrong type.
unauthorized = An access token is required.
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
