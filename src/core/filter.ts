/**
 * What a user typed to find names by: a regular expression that does not mind capitals, or, where it is none, text that
 * is looked for as it stands. Empty matches everything.
 */
export function matcher(filter: string): (text: string) => boolean {
  const wanted = filter.trim();
  if (wanted === '') return () => true;
  try {
    const expression = new RegExp(wanted, 'i');
    return (text) => expression.test(text);
  } catch {
    const lower = wanted.toLowerCase();
    return (text) => text.toLowerCase().includes(lower);
  }
}
