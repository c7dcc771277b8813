// openid-client: configured by discovery, and encodes even "-" and "_" in HTTP Basic.

import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { algorithms, base, body, given, json, mode, newKey, remindUrl, run, sent } from './common.mjs'

const plain = { algorithm: 'oauth2', execute: [client.allowInsecureRequests] }
const discover = (id, authentication) => client.discovery(base, id, undefined, authentication, plain)
const methods = { basic: client.ClientSecretBasic, post: client.ClientSecretPost }
const withSecret = ({ client_id, client_secret }, method = 'basic') => discover(client_id, methods[method](client_secret))
const remind = (config, token, options) =>
  client.fetchProtectedResource(config, token, remindUrl, 'POST', body(), new Headers(json), options)
const register = (metadata, authentication) =>
  client.dynamicClientRegistration(base, metadata, authentication, { ...plain, initialAccessToken: given('TOKEN') })
async function registerKey(alg) {
  const { key, metadata } = await newKey(alg)
  return register(metadata, client.PrivateKeyJwt(key))
}

async function callBound(config, alg) {
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair(alg))
  const token = await client.clientCredentialsGrant(config, { scope: 'password:remind' }, { DPoP })
  assert.equal(token.token_type, 'dpop') // It makes all types lower-case.
  await sent(await remind(config, token.access_token, { DPoP }))
  await sent(await remind(config, token.access_token, { DPoP }))
  const seen = await client.tokenIntrospection(config, token.access_token)
  assert.deepEqual([seen.token_type, seen.cnf.jkt], ['DPoP', await DPoP.calculateThumbprint()])
  await assert.rejects(remind(config, token.access_token), (error) => {
    assert.equal(error.cause[0].scheme, 'dpop')
    return true
  })
}

await run({
  async call() {
    for (const registered of Object.values(given('CLIENTS'))) {
      const config = await withSecret(registered, mode)
      const token = await client.clientCredentialsGrant(config, { scope: 'password:remind' })
      assert.equal(token.scope, 'password:remind')
      assert.ok(token.expiresIn() > 3500)
      await sent(await remind(config, token.access_token))
    }
  },
  async end() {
    const registered = given('CLIENT')
    const config = await withSecret(registered)
    const { access_token } = await client.clientCredentialsGrant(config)
    const seen = await client.tokenIntrospection(config, access_token)
    assert.deepEqual([seen.active, seen.client_id], [true, registered.client_id])
    await client.tokenRevocation(config, access_token)
    assert.deepEqual({ ...(await client.tokenIntrospection(config, access_token)) }, { active: false })
    await assert.rejects(remind(config, access_token), (error) => {
      assert.deepEqual(error.cause[0].parameters.error, 'invalid_token')
      return true
    })
  },
  async refused() {
    const registered = given('CLIENT')
    const config = await withSecret(registered)
    await assert.rejects(client.clientCredentialsGrant(config, { scope: 'users:write' }), { error: 'invalid_scope', status: 400 })
    const posted = await withSecret({ ...registered, client_secret: 'wrong' }, 'post')
    await assert.rejects(client.clientCredentialsGrant(posted), (error) => {
      assert.equal(error.status, 401)
      return true
    })
  },
  async register() {
    const config = await register({ client_name: 'Quotes', scope: 'password:remind' })
    const { access_token, scope } = await client.clientCredentialsGrant(config)
    assert.equal(scope, 'password:remind')
    await sent(await remind(config, access_token))
    const greedy = register({ client_name: 'Quotes', scope: 'users:write' })
    await assert.rejects(greedy, { error: 'invalid_client_metadata', status: 400 })
  },
  async keys() {
    for (const alg of algorithms) {
      const config = await registerKey(alg)
      const { access_token } = await client.clientCredentialsGrant(config, { scope: 'password:remind' })
      await sent(await remind(config, access_token))
      assert.equal((await client.tokenIntrospection(config, access_token)).active, true)
      await client.tokenRevocation(config, access_token)
      assert.equal((await client.tokenIntrospection(config, access_token)).active, false)
    }
  },
  async bound() {
    const config = await withSecret(given('CLIENT'))
    for (const alg of algorithms) await callBound(config, alg)
  },
  async both() {
    await callBound(await registerKey('ES256'), 'ES256')
  },
})
