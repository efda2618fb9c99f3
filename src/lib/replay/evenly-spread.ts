/** Which of so many things, evenly spread and in their order, the first among them. @param most at least 1 */
export function spreadIndices(length: number, most: number): number[] {
  const step = Math.max(1, length / most)
  const chosen: number[] = []
  for (let nth = 0; chosen.length < most && Math.floor(nth * step) < length; nth++) chosen.push(Math.floor(nth * step))
  return chosen
}
