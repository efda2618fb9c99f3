import {expect} from 'chai'

import {LoadClient, LoadOrigin} from '../../../src/lib/failover/load.js'
import {PairStage, type Letter} from '../../../src/lib/failover/stage.js'

const LOAD = [{flows: 8, up: 2000, down: 20_000, serverFirst: false, halfClose: 'none' as const, think: 50}]
const DEADLINE_MS = 30_000

const other = (letter: Letter): Letter => (letter === 'a' ? 'b' : 'a')

describe('a pair whose owner is decided by etcd', () => {
  let stage: PairStage
  let firstFlow = 1

  before(async () => {
    stage = await PairStage.up({pairs: ['edge'], family: 'ipv4', coordination: 'etcd'})
    await LoadOrigin.start(stage)
  })

  after(() => stage?.down())

  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.log(stage.log)
    stage.log = ''
  })

  /** Connections run while something happens, and none of them fails. */
  async function underLoad(act: () => Promise<void>): Promise<void> {
    const client = await LoadClient.start(stage, LOAD, (firstFlow += 1_000_000), DEADLINE_MS)
    try {
      await act()
    } finally {
      await client.stop(DEADLINE_MS)
    }

    expect(client.reports.filter(({error}) => error !== null)).to.deep.equal([])
    expect(client.reports.every(({received, wrongAt}) => received === 20_000 && wrongAt === -1)).to.equal(true)
  }

  it('the owner is killed: the backup is granted the next epoch', () =>
    underLoad(async () => {
      const owner = await stage.paired('edge')
      const {epoch} = await stage.status('edge', owner)
      stage.signal('edge', owner, 'SIGKILL')
      const pair = await stage.until('edge', other(owner), 'owner', ({role}) => role === 'owner')
      expect(pair.epoch).to.equal(epoch + 1)
      await stage.start('edge', owner)
      expect(await stage.paired('edge')).to.equal(other(owner))
    }))

  it('the backup falls silent: the owner goes on alone, in an epoch that makes the backup old', () =>
    underLoad(async () => {
      const owner = await stage.paired('edge')
      const {epoch} = await stage.status('edge', owner)
      stage.signal('edge', other(owner), 'SIGSTOP')
      const alone = await stage.until('edge', owner, 'alone', ({solo}) => solo)
      expect(alone.epoch).to.equal(epoch + 1)
      stage.signal('edge', other(owner), 'SIGCONT')
      expect(await stage.paired('edge')).to.equal(owner)
    }))

  it('both are killed and one comes back: it claims the addresses when nobody keeps them any more', async () => {
    const owner = await stage.paired('edge')
    for (const letter of ['a', 'b'] as const) stage.signal('edge', letter, 'SIGKILL')
    await stage.start('edge', other(owner))
    await stage.until('edge', other(owner), 'owner', ({role, solo}) => role === 'owner' && solo)
    await underLoad(() => Promise.resolve())
    await stage.start('edge', owner)
    expect(await stage.paired('edge')).to.equal(other(owner))
  })

  it('etcd does not answer: nobody takes over, and nothing is lost once it does', () =>
    underLoad(async () => {
      const owner = await stage.paired('edge')
      stage.etcd!.pause()
      stage.signal('edge', owner, 'SIGKILL')
      await new Promise((resolve) => {
        setTimeout(resolve, 1500)
      })
      expect((await stage.status('edge', other(owner))).role).to.equal('backup')
      stage.etcd!.resume()
      await stage.until('edge', other(owner), 'owner', ({role}) => role === 'owner')
      await stage.start('edge', owner)
      await stage.paired('edge')
    }))
})
