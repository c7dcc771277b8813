// The private key that a scenario was given.

import { given } from './common.mjs'

const names = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  EdDSA: { name: 'Ed25519' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
}

// For both libraries: the key and its id. Node's name for EdDSA's key is that of the curve.
export async function privateKey(alg) {
  const { alg: _, use: __, ...jwk } = given('KEY')
  return { key: await crypto.subtle.importKey('jwk', jwk, names[alg], false, ['sign']), kid: jwk.kid }
}
