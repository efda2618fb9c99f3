/** At most so many of them, evenly spread and in their order, the first among them. @param most at least 1 */
export function evenlySpread<Item>(items: readonly Item[], most: number): Item[] {
  const step = Math.max(1, items.length / most)
  const chosen: Item[] = []
  for (let nth = 0; chosen.length < most && Math.floor(nth * step) < items.length; nth++) {
    chosen.push(items[Math.floor(nth * step)])
  }

  return chosen
}
