import {appendFileSync} from 'node:fs'
import mocha from 'mocha'

/** mocha's own `spec` output, and at the end one line `passed failed skipped` added to the file OVERLAY_TEST_COUNTS. */
export default class CountingReporter extends mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    runner.once('end', () => {
      const {passes, failures, pending} = this.stats
      appendFileSync(process.env.OVERLAY_TEST_COUNTS, `${passes} ${failures} ${pending}\n`)
    })
  }
}
