import {expect} from 'chai'
import {spawn, spawnSync} from 'node:child_process'
import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'

import {Lab} from '../../../src/lib/lab/lab.js'

const PROGRAM = fileURLToPath(new URL('../../../dist/native/delay-line', import.meta.url))

describe('delay-line, the program', () => {
  it('explains itself, and says what is wrong with a command line', () => {
    const help = spawnSync(PROGRAM, ['--help'], {encoding: 'utf8'})
    expect([help.status, help.stderr]).to.deep.equal([0, ''])
    expect(help.stdout).to.match(/^usage: delay-line/)
    for (const [words, message] of [
      [['one'], 'two interfaces are needed'],
      [['--slots', 'many', 'a', 'b'], '--slots: unknown option, or its value'],
      [['--nonsense', 'a', 'b'], '--nonsense: unknown option'],
    ] as const) {
      const {status, stderr} = spawnSync(PROGRAM, words, {encoding: 'utf8'})
      expect(status).to.equal(2)
      expect(stderr).to.include(message)
    }

    const missing = spawnSync(PROGRAM, ['no-such-if', 'lo'], {encoding: 'utf8'})
    expect([missing.status, missing.stderr.trim()]).to.deep.equal([
      1,
      'delay-line: there is no interface no-such-if in this namespace',
    ])
  })

  it('takes lines on standard input, answers each, applies all words or none, and ends with it', async () => {
    const lab = await Lab.up({}, {owned: true})
    try {
      // The interfaces of a link that has a delay line already: this one sees the packets too, and is given none to send.
      const words = ['netns', 'exec', lab.state.wire, PROGRAM, '--stdin', 'line1n', 'line1f', 'loss=100']
      const line = spawn('ip', words, {stdio: ['pipe', 'pipe', 'inherit']})
      const ended = once(line, 'exit')
      const answers = createInterface({input: line.stdout})[Symbol.asyncIterator]()
      const ask = async (text: string): Promise<string> => {
        line.stdin.write(text + '\n')
        return (await answers.next()).value as string
      }

      expect((await answers.next()).value).to.equal('ready')
      expect(await ask('set ab.delay=5 ba.rate=10 drop=syn:1,any#3-5 hold=data:2+1.5')).to.equal('ok')
      expect(await ask('stats')).to.match(/^ok ab\.received=\d+ .*ba\.waiting=0$/)
      for (const wrong of ['delay=-1', 'dealy=1', 'drop=syn', 'drop=syn:0', 'hold=data:1', 'loss=101', 'rate']) {
        expect(await ask(`set seed=1 ${wrong}`)).to.equal(`error "${wrong}" is not a setting or is out of range`)
      }

      expect(await ask('sing')).to.include('error there is no command "sing"')
      expect(await ask('set drop=none hold=none')).to.equal('ok')
      line.stdin.end()
      expect((await ended)[0]).to.equal(0)
    } finally {
      await lab.down()
    }
  })
})
