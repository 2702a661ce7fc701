# The base in which virtual environments are built without network: pip finds every wheel in /wheelhouse and asks nobody.
# The build context is the folder of wheels.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY . /wheelhouse
RUN printf '[global]\nno-index = true\nfind-links = /wheelhouse\n' > /etc/pip.conf
