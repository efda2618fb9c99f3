import {spawn, type ChildProcess} from 'node:child_process'

import {OverlayError} from '../errors/index.js'

const DEADLINE_MS = 5000

/** What nft is told: the table, its rule, and to list it, which says that all before is done. Pure. */
export function quietRuleCommands(table: string, target: string, source: string, ports: readonly number[]): string[] {
  const family = target.includes(':') ? 'ip6' : 'ip'
  return [
    `add table inet ${table} { flags owner; }`,
    `add chain inet ${table} input { type filter hook input priority -400; policy accept; }`,
    `add rule inet ${table} input ${family} saddr ${target} ${family} daddr ${source} tcp dport { ${ports.join(', ')} } drop`,
    `list chain inet ${table} input`,
  ]
}

/**
 * Keeps the kernel from answering what the probe receives: an nft rule that drops, on input, TCP from the targets to the
 * probe's own ports. A capture sees packets before it does.
 *
 * The table is *owned* (`flags owner`): it belongs to the nft process that made it, and the kernel removes it when that
 * one ends. That one reads commands from a pipe of ours, so it ends when this process does, however that may be.
 */
export class QuietRule {
  readonly table: string
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  #output = ''
  #errors = ''
  #progress: () => void = () => {}
  static #count = 0

  private constructor() {
    QuietRule.#count++
    this.table = `overlay_probe_${process.pid}_${QuietRule.#count}`
    // A group of its own: Ctrl-C is for the probe, which still has connections to reset.
    this.#child = spawn('nft', ['-i'], {stdio: ['pipe', 'pipe', 'pipe'], detached: true})
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', () => resolve()).once('error', () => resolve())
    })
    this.#child.stdin!.on('error', () => {})
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
      this.#progress()
    })
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text
      this.#progress()
    })
  }

  /**
   * Makes the rule; packets that come after this are not answered by the kernel.
   *
   * @throws OverlayError PROGRAM_MISSING, PRIVILEGE_MISSING, KERNEL_FEATURE_MISSING (`flags owner` is of Linux 5.12)
   */
  static async make(target: string, source: string, ports: readonly number[]): Promise<QuietRule> {
    const rule = new QuietRule()
    try {
      await rule.#run(quietRuleCommands(rule.table, target, source, ports))
    } catch (error) {
      await rule.remove()
      throw error
    }

    return rule
  }

  /** Removes the table; returns when it is gone. */
  async remove(): Promise<void> {
    this.#child.stdin!.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), DEADLINE_MS)
    await this.#ended
    clearTimeout(timer)
  }

  /** The commands are done when the last of them, a listing, shows the rule. */
  async #run(commands: string[]): Promise<void> {
    this.#child.stdin!.write(commands.join('\n') + '\n')
    let ended = false
    let late = false
    const timer = setTimeout(() => {
      late = true
      this.#progress()
    }, DEADLINE_MS)
    await new Promise<void>((resolve) => {
      this.#progress = () => {
        if (ended || late || this.#errors !== '' || / drop\s/.test(this.#output)) resolve()
      }

      this.#ended
        .then(() => {
          ended = true
          this.#progress()
        })
        .catch(() => {})
      this.#progress()
    })
    clearTimeout(timer)
    if (this.#errors === '' && !ended && !late) return
    throw this.#failure(late)
  }

  #failure(late: boolean): OverlayError {
    const cause = this.#errors.split('\n')[0].trim() || (late ? 'nft did not answer' : undefined)
    if (this.#child.pid === undefined) {
      return new OverlayError('PROGRAM_MISSING', 'the program nft is not installed', {
        suggestions: ['apt-get install nftables'],
      })
    }

    if (/permitted|permission/i.test(this.#errors)) {
      return new OverlayError('PRIVILEGE_MISSING', 'an nft rule for the ports of the probe was refused', {
        cause,
        suggestions: ['run as root, or grant CAP_NET_RAW and CAP_NET_ADMIN'],
      })
    }

    return new OverlayError('KERNEL_FEATURE_MISSING', 'an nft table that ends with its owner cannot be made', {
      cause,
      suggestions: ['this needs Linux 5.12 with nf_tables, and nft 1.0'],
    })
  }
}
