"""The stand-in for a cloud's load balancer: haproxy on the host's loopback address, and the controller that feeds it.

`decisions` says which Service gets which port, `haproxy` renders that, `controller` watches and acts.
"""
