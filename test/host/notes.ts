/** Measured figures for the test report. Each test file is a bundle of its own, so the list lives where all see it. */
const shared = globalThis as { twaTestNotes?: string[] };

export const notes: readonly string[] = (shared.twaTestNotes ??= []);

export function note(text: string): void {
  shared.twaTestNotes?.push(text);
}
