/** What a result page remembers over a reload, in `vscode.setState` and so in the hands of the panel serializer. */
import { boolean, narrower, nullable, object, string } from '../shared/narrow.ts';

export interface ResultPageState {
  /** Null while a pass is running: it does not outlive its window. */
  readonly report: string | null;
  readonly table: boolean;
}

const state = narrower<ResultPageState>(object({ report: nullable(string), table: boolean }));

export const readState = (value: unknown): ResultPageState => state(value) ?? { report: null, table: false };

/** For the panel serializer. */
export const shownReport = (value: unknown): string | undefined => readState(value).report ?? undefined;
