// @badgateway/oauth2-client: finds everything by discovery; its fetch gets tokens when it needs them.

import assert from 'node:assert/strict'
import { OAuth2Client, OAuth2Fetch } from '@badgateway/oauth2-client'
import { base, body, call, given, json, mode, remindUrl, run, sent } from './common.mjs'

const methods = { basic: 'client_secret_basic', raw: 'client_secret_basic_interop', post: 'client_secret_post' }
const app = ({ client_id, client_secret }, method) =>
  new OAuth2Client({ server: base.href, clientId: client_id, clientSecret: client_secret, authenticationMethod: methods[method] })

await run({
  async call() {
    for (const registered of Object.values(given('CLIENTS'))) {
      const client = app(registered, mode)
      const getNewToken = () => client.clientCredentials({ scope: ['password:remind'] })
      const onError = (error) => { throw error }
      const wrapped = new OAuth2Fetch({ client, getNewToken, onError, scheduleRefresh: false })
      await sent(await wrapped.fetch(remindUrl, { method: 'POST', body: body(), headers: json }))
      assert.deepEqual((await wrapped.getToken()).scope, ['password:remind'])
    }
  },
  async end() {
    const client = app(given('CLIENT'))
    const token = await client.clientCredentials()
    assert.equal((await client.introspect(token)).active, true)
    await client.revoke(token)
    assert.deepEqual(await client.introspect(token), { active: false })
    assert.equal((await call(token.accessToken)).status, 401)
  },
  async refused() {
    const registered = given('CLIENT')
    await assert.rejects(app(registered).clientCredentials({ scope: ['users:write'] }), { oauth2Code: 'invalid_scope', httpCode: 400 })
    const wrong = app({ ...registered, client_secret: 'wrong' })
    await assert.rejects(wrong.clientCredentials(), { oauth2Code: 'invalid_client', httpCode: 401 })
  },
})
