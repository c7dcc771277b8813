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
invalid-field = Ce champ est absent, répété ou d'un type inattendu.
unauthorized = Un jeton d'accès est nécessaire.
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
