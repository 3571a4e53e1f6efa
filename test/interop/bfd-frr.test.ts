import { frrBfd } from '../support/routers/bfd.ts';
import { bfdSuite } from '../support/routers/bfd-suite.ts';

bfdSuite(frrBfd);
