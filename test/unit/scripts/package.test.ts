import {expect} from 'chai'
import {execFile} from 'node:child_process'
import {createHash} from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {promisify} from 'node:util'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const run = promisify(execFile)

interface Packed {
  filename: string
  files: {path: string; mode: number}[]
}

/** What `npm pack` makes of what is built; the build itself is not part of it. */
async function pack(from: string, into: string): Promise<Packed> {
  mkdirSync(into)
  const words = ['pack', '--ignore-scripts', '--json', '--pack-destination', into]
  const {stdout} = await run('npm', words, {cwd: from, maxBuffer: 16 * 1024 * 1024})
  return (JSON.parse(stdout) as Packed[])[0]
}

function checksum(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** Files and directories below a place of the checkout. */
function built(place: string): string[] {
  return readdirSync(join(ROOT, place), {recursive: true, encoding: 'utf8'}).map((name) => `${place}/${name}`)
}

describe('the package', function () {
  this.timeout(120_000)
  const work = mkdtempSync(join(tmpdir(), 'ov-pack-'))
  let packed: Packed
  let tarball: string

  before(async () => {
    packed = await pack(ROOT, join(work, 'first'))
    tarball = join(work, 'first', packed.filename)
  })

  after(() => rmSync(work, {recursive: true, force: true}))

  it('holds what runs and what is read, and nothing else', () => {
    const paths = packed.files.map(({path}) => path)
    const allowed =
      /^(?:LICENSE|NOTICE\.md|README\.md|package\.json|oclif\.manifest\.json|bin\/run\.js|docs\/[A-Z]+\.md|examples\/[\w-]+\/[\w-]+\.(?:md|yaml|yml|json)|dist\/(?:bpf\/[\w.-]+\.bpf\.o|native\/[\w.-]+|man\/[\w-]+\.1|completion\/(?:_overlay|overlay\.(?:bash|fish))|(?:commands|hooks|lib)\/[\w/-]+\.js))$/
    expect(paths.filter((path) => !allowed.test(path))).to.deep.equal([])
    expect(paths.filter((path) => /vectors|lib\/manual/.test(path))).to.deep.equal([])
    expect(packed.files.find(({path}) => path === 'bin/run.js')!.mode & 0o111).to.equal(0o111)
    const wanted = [
      ...built('dist/commands').filter((name) => name.endsWith('.js')),
      ...built('dist/man'),
      ...built('examples').filter((name) => /\.\w+$/.test(name)),
    ]
    expect(paths).to.include.members(wanted)
  })

  it('is the same bytes again, whenever the files were made', async () => {
    const copy = join(work, 'copy')
    for (const {path} of packed.files) {
      mkdirSync(dirname(join(copy, path)), {recursive: true})
      cpSync(join(ROOT, path), join(copy, path))
      utimesSync(join(copy, path), 1, 1)
    }

    const again = await pack(copy, join(work, 'second'))
    expect(checksum(join(work, 'second', again.filename))).to.equal(checksum(tarball))
  })

  it('runs from where it was unpacked', async () => {
    await run('tar', ['-xf', tarball, '-C', work])
    const place = join(work, 'package')
    // What `npm install` would put beside it.
    symlinkSync(join(ROOT, 'node_modules'), join(place, 'node_modules'))
    const overlay = (...words: string[]) => run(process.execPath, [join(place, 'bin/run.js'), ...words])
    const example = join(place, 'examples/two-regions/gateway.yaml')
    expect(JSON.parse((await overlay('config', 'check', example, '--json')).stdout)).to.deep.include({valid: true})
    expect((await overlay('edge', 'start', '--help')).stdout).to.contain('--max-client-rate')
    expect(existsSync(join(place, 'dist/man/overlay-edge-start.1'))).to.equal(true)
  })
})
