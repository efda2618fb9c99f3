import {expect} from 'chai'

import {configKeys} from '../../support/config-keys.js'
import {configPage} from '../../support/config-page.js'

describe('docs/CONFIG.md', () => {
  it('has every key with its kind and default, as the schema has them', () => {
    const {committed, fresh} = configPage()
    expect(committed, 'run "npm run docs:config" and commit the page').to.equal(fresh)
    for (const {key} of configKeys().filter((one) => one.key.includes('.'))) {
      expect(committed).to.contain(`\`${key.replace(/^(edge|gateway)\./, '')}\``)
    }
  })
})
