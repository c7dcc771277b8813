// node-oidc-provider for `scripts/bench --peers`: one client, the client credentials grant, introspection.
//
//     node oidc-provider.mjs PORT ID SECRET            its defaults: one process, tokens in its own in-memory store
//     node oidc-provider.mjs PORT ID SECRET cluster    a process for each core, tokens in a plain Map without expiry
import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import Provider from 'oidc-provider'

const [port, id, secret, mode] = process.argv.slice(2)

// Every process has a store of its own. So that a token can be asked about in any of them, the first that each makes is told to
// the others: one message each, nothing that a run would feel.
const store = new Map()
let told = false
process.on('message', ([key, payload]) => store.set(key, payload))

class Store {
  constructor(model) { this.model = model }
  async upsert(key, payload) {
    store.set(`${this.model}:${key}`, payload)
    if (!told) process.send([`${this.model}:${key}`, payload])
    told = true
  }
  async find(key) { return store.get(`${this.model}:${key}`) }
  async destroy(key) { store.delete(`${this.model}:${key}`) }
}

function serve() {
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    ...(mode === 'cluster' && { adapter: Store }),
    clients: [{ client_id: id, client_secret: secret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
    features: { clientCredentials: { enabled: true }, introspection: { enabled: true }, devInteractions: { enabled: false } },
  })
  provider.listen(Number(port), '127.0.0.1')
}

if (mode === 'cluster' && cluster.isPrimary) {
  for (let i = 0; i < availableParallelism(); i++) cluster.fork()
  cluster.on('message', (from, message) => {
    for (const worker of Object.values(cluster.workers)) if (worker !== from) worker.send(message)
  })
} else serve()
