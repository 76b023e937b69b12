import '../shared/base.css';
import './curves.css';
import { connect, readStrings } from '../shared/editor.ts';
import { onThemeChange } from '../shared/theme.ts';
import { type FromCurves, readCurvesRequest, readToCurves } from '../protocol.ts';
import type { CurvesStrings } from '../strings.ts';
import { CurvesPage } from './page.ts';
import type { CurvesState } from './state.ts';

const editor = connect<FromCurves, CurvesState>();
const page = new CurvesPage(document.getElementById('app')!, editor, readStrings() as CurvesStrings);
onThemeChange(() => page.themeChanged());
editor.listen(
  (message) => readCurvesRequest(message) ?? readToCurves(message),
  (message) => {
    if (message.kind === 'export') void page.export(message.format);
    else page.receive(message);
  },
);
editor.send({ kind: 'ready' });
