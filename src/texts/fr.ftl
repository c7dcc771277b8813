# Les réponses de l'API.
reminder-sent = Un e-mail a été envoyé à l'utilisateur.
token-valid = Le jeton de réinitialisation est valide.
password-reset = Le nouveau mot de passe a été enregistré.
password-updated = Le nouveau mot de passe a été enregistré.
password-verified = Le mot de passe est correct.
session-created = L'utilisateur est connecté.
user-created = L'utilisateur a été créé.
user-found = L'utilisateur existe.
user-updated = L'utilisateur a été modifié.
user-deleted = L'utilisateur a été supprimé.
wrong-credentials = L'adresse e-mail ou le mot de passe n'est pas correct.
unknown-user = Cet utilisateur n'existe pas.
user-exists = Il y a déjà un utilisateur avec cette adresse e-mail.
wrong-user = L'adresse e-mail ne correspond à aucun utilisateur.
wrong-token = Le jeton de réinitialisation n'est pas valide.
wrong-password = Le mot de passe n'est pas valide.
invalid-request = La requête n'est pas valide.
invalid-field = Ce champ est absent, répété, d'un type inattendu ou n'est pas valide.
unauthorized = Un jeton d'accès est nécessaire.
invalid-dpop-proof = La preuve de possession manque, est fausse ou a déjà servi.
use-dpop-nonce = La preuve de possession doit contenir le nonce de l'en-tête DPoP-Nonce.
invalid-token = Le jeton d'accès est invalide, expiré ou révoqué.
insufficient-scope = Le jeton d'accès ne porte pas la permission nécessaire.
not-found = Il n'y a rien à cette adresse.
method-not-allowed = Cette méthode n'est pas permise ici.
request-timeout = La requête a mis trop de temps à arriver.
payload-too-large = Le corps de la requête dépasse 16 Kio.
unsupported-media-type = Le type de contenu doit être application/json ou application/x-www-form-urlencoded.
too-many-requests = Trop de requêtes ; revenez plus tard.
unavailable = Le service est surchargé ; revenez plus tard.
internal = Une erreur est survenue de notre côté.

# Le contrat SWIFT. Les deux premiers textes sont ceux de son document, lettre pour lettre.
swift-password-changed = Le mot de passe a été modifié avec succès
swift-wrong-credentials = Oups! Il semblerait que vos identifiants soient incorrect
swift-missing-field = Le champ { $field } est obligatoire
swift-invalid-field = Le champ { $field } n'est pas valide
swift-too-short = Le nouveau mot de passe doit comporter au moins { $least } caractères
swift-weak-password = Le nouveau mot de passe n'est pas assez sûr
swift-mismatch = Le nouveau mot de passe et sa confirmation ne correspondent pas
swift-json-only = Le type de contenu doit être application/json

# Les e-mails.
reset-subject = Réinitialisez votre mot de passe pour { $service }
reset-title = Choisissez un nouveau mot de passe
reset-intro = Quelqu'un a demandé un nouveau mot de passe pour votre compte chez { $service }.
reset-link = Pour choisir un nouveau mot de passe, ouvrez ce lien :
reset-button = Choisir un nouveau mot de passe
reset-expiry = Le lien fonctionne une seule fois, jusqu'au { $until } UTC, soit { $minutes ->
    [one] une minute
   *[other] { $minutes } minutes
} à partir de l'envoi de cet e-mail.
reset-not-you = Si ce n'était pas vous, ignorez cet e-mail. Votre mot de passe reste inchangé.
changed-subject = Votre mot de passe pour { $service } a été modifié
changed-title = Votre mot de passe a été modifié
changed-intro = Le mot de passe de votre compte chez { $service } a été modifié le { $at } UTC.
changed-you = Si c'était vous, il n'y a rien à faire.
changed-not-you = Si ce n'était pas vous, demandez tout de suite de l'aide à { $service } : quelqu'un d'autre utilise peut-être votre compte.
email-changed-subject = Votre adresse e-mail pour { $service } a été modifiée
email-changed-title = Votre adresse e-mail a été modifiée
email-changed-intro = Votre compte chez { $service } a reçu une autre adresse e-mail le { $at } UTC. Les e-mails à son sujet n'arriveront plus à cette adresse.
test-subject = Un e-mail d'essai d'Unforget
test-title = Ça marche
test-intro = Ceci est un essai. Si vous pouvez le lire, Unforget peut envoyer des e-mails.

# La page intégrée. Son script remplit ce qui est entre accolades sous les noms "wait", "until" et "address".
page-no-script = Cette page a besoin de JavaScript. Activez-le pour cette page, puis ouvrez-la de nouveau.
page-offline = Le service est injoignable. Vérifiez votre connexion et réessayez.
page-too-many = Trop de tentatives. Réessayez dans { $wait }.
page-busy = Le service est surchargé. Réessayez dans { $wait }.
page-broken = Une erreur est survenue de notre côté. Réessayez dans un instant.
page-kept = Ce que vous avez saisi est toujours là.
page-again = Réessayer
page-checking = Vérification de votre lien…
page-failed-title = Votre lien n'a pas pu être vérifié
page-reset-title = Choisissez un nouveau mot de passe
page-until = Votre lien fonctionne une seule fois, jusqu'à { $until }.
page-account = Compte
page-password = Nouveau mot de passe
page-hint = Au moins { $min ->
    [one] un caractère
   *[other] { $min } caractères
}. Quelques mots sans rapport entre eux conviennent bien.
page-confirmation = Le même mot de passe, encore une fois
page-show = Afficher les mots de passe
page-save = Enregistrer le mot de passe
page-done-title = Votre nouveau mot de passe est enregistré
page-done = Vous pouvez fermer cette page et vous connecter avec votre nouveau mot de passe.
page-dead-title = Ce lien ne fonctionne plus
page-dead = Un lien ne fonctionne qu'une seule fois et pendant peu de temps. Si vous venez de choisir un nouveau mot de passe, essayez de vous connecter avec celui-ci.
page-ask-again = Demander un nouveau lien
page-ask-app = Pour obtenir un nouveau lien, retournez dans l'application et indiquez de nouveau que vous avez oublié votre mot de passe.
page-missing-title = Ouvrez le lien de votre e-mail
page-missing = Cette page fonctionne avec le lien qui vous a été envoyé. Si vous étiez déjà ici, ouvrez ce lien de nouveau.
page-wrong-password = Ce mot de passe ne peut pas être utilisé. Choisissez-en un autre.
page-too-short = Le mot de passe est trop court, il lui faut au moins { $min ->
    [one] un caractère
   *[other] { $min } caractères
}.
page-too-long = Le mot de passe est trop long, il peut avoir au plus { $max } caractères.
page-common = Ce mot de passe est de ceux que l'on devine en premier. Choisissez-en un autre.
page-breached = Ce mot de passe figure dans une fuite de données. Choisissez-en un autre.
page-context = Le mot de passe contient une partie de votre adresse ou le nom du service. Choisissez-en un autre.
page-mismatch = Les deux mots de passe sont différents. Saisissez le même dans les deux champs.
page-forbidden-character = Le mot de passe contient un caractère qui ne peut pas être utilisé.
page-forgot-title = Mot de passe oublié{"\u00A0"}?
page-forgot = Saisissez l'adresse e-mail de votre compte. Vous recevrez un lien pour choisir un nouveau mot de passe.
page-email = Adresse e-mail
page-send = M'envoyer un lien
page-sent-title = Consultez votre messagerie
page-sent = Si un compte existe pour { $address }, un e-mail avec un lien est en route.
page-sent-late = Cela peut prendre quelques minutes. Si vous ne le trouvez pas, cherchez aussi parmi les courriers indésirables.
page-wrong-address = Cette adresse e-mail n'est pas complète. Vérifiez qu'elle ne contient pas de faute de frappe.
