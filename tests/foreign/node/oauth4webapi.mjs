// oauth4webapi: checks each answer strictly against its RFC, and leaves nothing to itself: nonces are ours to try again with.

import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { algorithms, base, body, given, json, mode, newKey, remindUrl, run, sent } from './common.mjs'

const insecure = { [oauth.allowInsecureRequests]: true }
const as = await oauth.processDiscoveryResponse(base, await oauth.discoveryRequest(base, { algorithm: 'oauth2', ...insecure }))
const methods = { basic: oauth.ClientSecretBasic, post: oauth.ClientSecretPost }
const withSecret = ({ client_id, client_secret }, method = 'basic') => [{ client_id }, methods[method](client_secret)]

async function grant([client, authentication], parameters = {}, options = {}) {
  const ask = async () => {
    const request = oauth.clientCredentialsGrantRequest(as, client, authentication, new URLSearchParams(parameters), { ...insecure, ...options })
    return oauth.processClientCredentialsResponse(as, client, await request)
  }
  return again(ask)
}
const again = (ask) => ask().catch((error) => {
  if (!oauth.isDPoPNonceError(error)) throw error
  return ask()
})
const remind = (token, options) =>
  again(() => oauth.protectedResourceRequest(token, 'POST', remindUrl, new Headers(json), body(), { ...insecure, ...options }))
async function introspect([client, authentication], token) {
  return oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, authentication, token, insecure))
}
async function revoke([client, authentication], token) {
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authentication, token, insecure))
}
const challenged = (check) => (error) => {
  assert.ok(error instanceof oauth.WWWAuthenticateChallengeError, error.stack)
  check(error)
  return true
}
async function register(metadata, initialAccessToken = given('TOKEN')) {
  const request = oauth.dynamicClientRegistrationRequest(as, metadata, { ...insecure, initialAccessToken })
  return oauth.processDynamicClientRegistrationResponse(await request)
}
async function registerKey(alg) {
  const { key, metadata } = await newKey(alg)
  return [await register(metadata), oauth.PrivateKeyJwt(key)]
}

async function callBound(app, alg) {
  const DPoP = oauth.DPoP(app[0], await oauth.generateKeyPair(alg))
  const { access_token, token_type } = await grant(app, { scope: 'password:remind' }, { DPoP })
  assert.equal(token_type, 'dpop')
  await sent(await remind(access_token, { DPoP }))
  await sent(await remind(access_token, { DPoP }))
  const seen = await introspect(app, access_token)
  assert.deepEqual([seen.token_type, seen.cnf.jkt], ['DPoP', await DPoP.calculateThumbprint()])
  await assert.rejects(remind(access_token), challenged(({ status, cause }) => {
    assert.deepEqual([status, cause[0].scheme], [401, 'dpop'])
    assert.match(cause[0].parameters.algs, /ES256/)
  }))
  const other = oauth.DPoP(app[0], await oauth.generateKeyPair(alg))
  await assert.rejects(remind(access_token, { DPoP: other }), challenged(({ status }) => assert.equal(status, 401)))
}

await run({
  async call() {
    for (const registered of Object.values(given('CLIENTS'))) {
      const { access_token, token_type } = await grant(withSecret(registered, mode), { scope: 'password:remind' })
      assert.equal(token_type, 'bearer') // It makes all types lower-case.
      await sent(await remind(access_token))
    }
  },
  async end() {
    const app = withSecret(given('CLIENT'))
    const { access_token } = await grant(app)
    assert.equal((await introspect(app, access_token)).active, true)
    await revoke(app, access_token)
    assert.deepEqual(await introspect(app, access_token), { active: false })
    await revoke(app, access_token) // Ending what has ended is no error.
    await assert.rejects(remind(access_token), challenged(({ cause }) => assert.equal(cause[0].parameters.error, 'invalid_token')))
  },
  async refused() {
    const registered = given('CLIENT')
    await assert.rejects(grant(withSecret(registered), { scope: 'users:write' }), { error: 'invalid_scope', status: 400 })
    for (const method of Object.keys(methods)) {
      const app = withSecret({ ...registered, client_secret: 'wrong' }, method)
      await assert.rejects(grant(app), challenged(({ status, cause }) => assert.deepEqual([status, cause[0].scheme], [401, 'basic'])))
    }
    const { access_token } = await grant(withSecret(registered))
    const request = oauth.protectedResourceRequest(access_token, 'GET', new URL('/v1/users?email=a@b.test', base), undefined, undefined, insecure)
    await assert.rejects(request, challenged(({ status, cause }) => {
      assert.equal(status, 403)
      assert.equal(cause[0].parameters.error, 'insufficient_scope')
      assert.equal(cause[0].parameters.scope, 'users:read')
    }))
  },
  async register() {
    const quotes = { client_name: 'Quotes', scope: 'password:remind' }
    const client = await register(quotes)
    await sent(await remind((await grant(withSecret(client))).access_token))
    await assert.rejects(register({ ...quotes, scope: 'users:write' }), { error: 'invalid_client_metadata', status: 400 })
    await assert.rejects(register(quotes, 'garbage'), challenged(({ status, cause }) => {
      assert.deepEqual([status, cause[0].parameters.error], [401, 'invalid_token'])
    }))
  },
  async keys() {
    for (const alg of algorithms) {
      const app = await registerKey(alg)
      const { access_token } = await grant(app, { scope: 'password:remind' })
      await sent(await remind(access_token))
      assert.equal((await introspect(app, access_token)).active, true)
      await revoke(app, access_token)
      assert.equal((await introspect(app, access_token)).active, false)
    }
  },
  async bound() {
    const app = withSecret(given('CLIENT'))
    for (const alg of algorithms) await callBound(app, alg)
  },
  async both() {
    await callBound(await registerKey('ES256'), 'ES256')
  },
})
