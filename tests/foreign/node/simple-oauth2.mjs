// simple-oauth2: encodes HTTP Basic strictly, or not at all ("loose"). It gets tokens; calling the API is for fetch.

import assert from 'node:assert/strict'
import { ClientCredentials } from 'simple-oauth2'
import { base, call, given, mode, run, sent } from './common.mjs'

const options = {
  strict: { credentialsEncodingMode: 'strict' },
  loose: { credentialsEncodingMode: 'loose' },
  post: { authorizationMethod: 'body' },
}
const app = ({ client_id, client_secret }, method = 'strict') =>
  new ClientCredentials({ client: { id: client_id, secret: client_secret }, auth: { tokenHost: base.href }, options: options[method] })
const refused = (status, error) => (thrown) => {
  assert.equal(thrown.output.statusCode, status)
  assert.equal(thrown.data.payload.error, error)
  return true
}

await run({
  async call() {
    for (const registered of Object.values(given('CLIENTS'))) {
      const { token, expired } = await app(registered, mode).getToken({ scope: 'password:remind' })
      assert.equal(token.token_type, 'Bearer')
      await sent(await call(token.access_token))
    }
  },
  async end() { // It cannot look a token up.
    const got = await app(given('CLIENT')).getToken({})
    assert.equal(got.expired(), false)
    await got.revoke('access_token')
    assert.equal((await call(got.token.access_token)).status, 401)
  },
  async refused() {
    const registered = given('CLIENT')
    await assert.rejects(app(registered).getToken({ scope: 'users:write' }), refused(400, 'invalid_scope'))
    await assert.rejects(app({ ...registered, client_secret: 'wrong' }).getToken({}), refused(401, 'invalid_client'))
  },
})
