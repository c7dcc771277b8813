// What the programs share: where the service is, whose turn it is, and how the API must answer.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'

export const base = new URL(process.env.OAUTH_ISSUER)
export const [scenario, mode] = process.argv.slice(2)
export const given = (name) => JSON.parse(process.env[name])
export const remindUrl = new URL('/v1/password/remind', base)
export const json = { 'content-type': 'application/json' }

// A body for `remind`, for an address that was never asked for.
export const body = () => JSON.stringify({ email: `${randomUUID()}@example.com` })

export async function sent(response) {
  assert.equal(response.status, 200)
  assert.equal((await response.json()).status, 'reminder_sent')
}

export const algorithms = ['ES256', 'Ed25519', 'EdDSA', 'RS256', 'PS256']

// A new key: its private half as the libraries take it, and the metadata of a client that authenticates by it (RFC 7591).
export async function newKey(alg) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', use: 'sig' }
  const metadata = { client_name: 'Quotes', token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] } }
  return { key: { key: privateKey, kid: 'one' }, metadata }
}

// The API, by hand: for libraries that only get tokens.
export const call = (token) =>
  fetch(remindUrl, { method: 'POST', body: body(), headers: { ...json, authorization: `Bearer ${token}` } })

// Runs the scenario that was asked for, and says so: a program that ends early has not.
export async function run(scenarios) {
  await scenarios[scenario]()
  console.log('done')
}
