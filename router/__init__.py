r"""Gatecrier: verifies container images at the Kubernetes gate and loses no alert about what it decided.

    AdmissionReview -> images -> policy -> evidence -> verdict -> decision -> event -> route | outbox
                                                                                             -> render -> deliver
    \_____________________ driver: admission.gate __________________________________/          \_ driver: delivery

Every word is a module or package. A third driver, `incidents`, consumes what is stored, and stores what people are told
of it. Imports run against the data flow: a stage knows what it receives, never who comes next. From the outside in:

    cli            the command `gatecrier`, one module per subcommand
    assembly       builds and runs the router from a configuration; the only one that knows every concrete class
    settings       the whole configuration as one frozen tree, checked with line and remedy
    replicas       several replicas are one to people: one of them makes incidents of what all decide
    server         listens with TLS within limits, lets clients in, answers probes and metrics
    supervision    which processes there are: made by fork, watched, started again
    scanning       what runs now, judged like what comes
    readiness      whether a namespace can be enforced now: what was seen, since when, and what would break
    admission      Kubernetes asks, we answer: HTTP, review, images, judging, event, reply
    delivery       from the outbox to the receivers: claim, render, deliver, settle
    incidents      what people are told once, when it changes, goes on and ends: the third driver; silences
    certificates   the webhook's own CA and certificate: in a Secret, renewed without a refused request
    object_events  Kubernetes Events on what was refused or would be, for those who describe it
    trust          trusted roots that change while we run: taken from their repositories, kept, told
    destinations   how each service wants to be told, and what its answers mean
    outbox         nothing is lost between the two halves
    rendering      event and template make a document that no value can break
    routing        which destinations want which event
    events         the event about a decision: shape, identity, encoding
    decision       findings and mode make an answer with reasons
    verification   what can be proven about an image
    registry       the OCI distribution API: manifests, referrers, blobs, tokens, limits
    kubernetes     what the cluster's API is asked: a thin client; no gate asks it
    outbound       what receivers and registries are asked by: address guard, names, URLs, proxies, TLS, sessions
    policy         which rule applies to which image, and whether it may block
    images         image references and digests
    hosts          hosts of registries in the one form in which they are compared
    ipc            messages between our own processes
    tls            shows a certificate to the other side, without a file of its own
    issuing        certificates that we sign ourselves
    pem            certificates and private keys, read with the configuration
    by_reference   what the configuration names instead of holding it: paths, files, secrets
    entries        a list cut into its entries, whatever stands in one of them
    expressions    regular expressions that operators write, in linear time
    telemetry      logs and metrics
    slices         work in slices, so that nobody else waits for it
    fields         what a value in the configuration can be
    errors         everything we raise on purpose
    reasons        why an image has its verdict: public codes, meanings, remedies
    verdict        the closed vocabulary of a decision
    steps          work that may be laid down at any step
    text           texts that others wrote, as people may read them
    integers       whole numbers as JSON has them
    whole_files    a whole file in place of another
"""

__version__ = "0.1.0"
