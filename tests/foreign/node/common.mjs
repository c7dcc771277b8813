// What the programs share: where the service is, whose turn it is, and how the API must answer.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'

export const base = new URL(process.env.UNFORGET_URL)
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

// The API, by hand: for libraries that only get tokens.
export const call = (token) =>
  fetch(remindUrl, { method: 'POST', body: body(), headers: { ...json, authorization: `Bearer ${token}` } })

// Runs the scenario that was asked for, and says so: a program that ends early has not.
export async function run(scenarios) {
  await scenarios[scenario]()
  console.log('done')
}
