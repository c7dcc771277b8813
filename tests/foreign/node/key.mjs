// Prints a new pair of keys as JWKs.

const names = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  EdDSA: { name: 'Ed25519' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
}
const [alg] = process.argv.slice(2)
const pair = await crypto.subtle.generateKey(names[alg], true, ['sign', 'verify'])
const jwk = async (key) => ({ ...(await crypto.subtle.exportKey('jwk', key)), alg, kid: 'one', use: 'sig', key_ops: undefined, ext: undefined })
console.log(JSON.stringify({ public: await jwk(pair.publicKey), private: await jwk(pair.privateKey) }))
