import {MadeList} from './made-list.js'

/**
 * The text of `JSON.stringify(value, null, 2)`, in pieces: an object key by key, and an array in it element by element,
 * so that a result with many connections never stands in memory as one text beside itself.
 *
 * @param value anything that JSON.stringify turns into a text
 * @yields parts of it in their order, none of them empty
 */
export function* jsonPieces(value: object): Generator<string> {
  if (isList(value)) yield* arrayPieces(value, '')
  else if (isPlain(value)) yield* objectPieces(value)
  else yield JSON.stringify(value, null, 2)
}

function* objectPieces(value: object): Generator<string> {
  let before = '{\n'
  for (const [key, member] of Object.entries(value)) {
    const name = `${before}  ${JSON.stringify(key)}: `
    if (isList(member)) {
      yield name
      yield* arrayPieces(member, '  ')
    } else {
      const text = indented(member, '  ')
      if (text === undefined) continue // JSON.stringify leaves out what has no text, as undefined
      yield name + text
    }

    before = ',\n'
  }

  yield before === '{\n' ? '{}' : '\n}'
}

/**
 * @param indent of the line on which the array begins
 * @yields parts of it in their order
 */
function* arrayPieces(array: Iterable<unknown>, indent: string): Generator<string> {
  let before = '[\n'
  for (const element of array) {
    yield `${before}${indent}  ${indented(element, `${indent}  `) ?? 'null'}`
    before = ',\n'
  }

  yield before === '[\n' ? '[]' : `\n${indent}]`
}

/** Within a string JSON has no line feed, so each one ends a line. */
function indented(value: unknown, indent: string): string | undefined {
  const text = JSON.stringify(value, null, 2) as string | undefined
  return text?.replaceAll('\n', `\n${indent}`)
}

function isList(value: unknown): value is Iterable<unknown> {
  return value instanceof MadeList || (Array.isArray(value) && !hasOwnJson(value))
}

/** An object whose keys JSON.stringify would walk through as they stand. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return (prototype === Object.prototype || prototype === null) && !hasOwnJson(value)
}

function hasOwnJson(value: object): boolean {
  return typeof (value as {toJSON?: unknown}).toJSON === 'function'
}
